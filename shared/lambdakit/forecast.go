package lambdakit

import (
	"fmt"
	"os"
	"strconv"
)

// DefaultForecastDays is the threshold of the event Pool Exhaustion Forecast if a
// deployment sets none.
const DefaultForecastDays = 30

// MaxForecastDays is the greatest threshold: no forecast looks further ahead.
const MaxForecastDays = 3650

// ForecastDays returns the threshold that the environment sets, in days.
func ForecastDays() (int, error) {
	text := os.Getenv(EnvForecastDays)
	if text == "" {
		return DefaultForecastDays, nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 || days > MaxForecastDays {
		return 0, fmt.Errorf("%s is %q and not a number from 1 to %d", EnvForecastDays, text, MaxForecastDays)
	}
	return days, nil
}
