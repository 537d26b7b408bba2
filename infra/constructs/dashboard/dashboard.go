// Package dashboard provides the construct of the dashboard with the metrics of
// shared/telemetry and the health of the functions.
package dashboard

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// Props are the properties of the dashboard.
type Props struct {
	Name            string
	ResourceMetrics bool    // the deployment writes metrics of single resources
	Health          []Graph // the last graphs
}

// Graph is a graph of several metrics.
type Graph struct {
	Title   string
	Metrics []awscloudwatch.IMetric
}

// The size of a graph: columns of the dashboard's 24, and rows of about 30 pixels.
const width, height = 8, 6

// NewDashboard makes a dashboard of the metrics of telemetry.Groups and of the graphs
// of Health.
func NewDashboard(scope constructs.Construct, id string, props *Props) awscloudwatch.Dashboard {
	graphs := networkGraphs(props.ResourceMetrics)
	graphs = append(graphs, props.Health...)
	var widgets []awscloudwatch.IWidget
	for _, g := range graphs {
		widgets = append(widgets, awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
			Title: &g.Title, Left: &g.Metrics, Width: jsii.Number(width), Height: jsii.Number(height), LiveData: jsii.Bool(true),
		}))
	}
	var rows []*[]awscloudwatch.IWidget
	for len(widgets) > 0 {
		n := min(24/width, len(widgets))
		row := widgets[:n]
		rows, widgets = append(rows, &row), widgets[n:]
	}
	return awscloudwatch.NewDashboard(scope, &id, &awscloudwatch.DashboardProps{DashboardName: &props.Name, Widgets: &rows})
}

// networkGraphs returns the graphs of the metrics of telemetry.Groups. Metrics share a
// graph if they have the same dimensions and the same unit.
func networkGraphs(resourceMetrics bool) (graphs []Graph) {
	at := map[string]int{}
	for _, g := range telemetry.Groups() {
		if g.Optional && !resourceMetrics {
			continue
		}
		for _, m := range g.Metrics {
			key := strings.Join(append([]string{m.Unit}, g.Dimensions...), ",")
			if _, ok := at[key]; !ok {
				at[key] = len(graphs)
				of, _, _ := strings.Cut(g.Of, ";")
				graphs = append(graphs, Graph{Title: fmt.Sprintf("For each %s: %s", of, m.Unit)})
			}
			graphs[at[key]].Metrics = append(graphs[at[key]].Metrics, shown(g, m))
		}
	}
	return graphs
}

// shown returns the metric of a graph. For a metric with dimensions it is a search,
// because the values of the dimensions are not known.
func shown(g *telemetry.Group, m telemetry.Metric) awscloudwatch.IMetric {
	statistic, minutes := "Maximum", 15.0 // a scan writes the gauges every 15 minutes
	switch {
	case m.Unit == "Milliseconds":
		statistic, minutes = "p95", 5
	case m.Name == telemetry.Requests:
		statistic, minutes = "Sum", 5
	case len(g.Dimensions) == 0:
		statistic = "Sum" // of all scopes
	}
	period := awscdk.Duration_Minutes(&minutes)
	if len(g.Dimensions) == 0 {
		return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String(telemetry.Namespace), MetricName: &m.Name, Statistic: &statistic, Period: period})
	}
	schema := fmt.Sprintf(`"%s",%s`, telemetry.Namespace, strings.Join(g.Dimensions, ","))
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String(fmt.Sprintf(`SEARCH('{%s} MetricName="%s"', '%s', %v)`, schema, m.Name, statistic, minutes*60)),
		Label:      jsii.String(""), // each line has the label of its metric
		Period:     period,
	})
}
