import Box from '@cloudscape-design/components/box'
import { type ReactNode } from 'react'
import { To } from './link'

// Figure shows a number as a link to the list behind it.
export function Figure({ label, value, href, detail }: { label: string; value: ReactNode; href?: string | undefined; detail?: ReactNode }) {
  return (
    <div>
      <Box variant="awsui-key-label">{label}</Box>
      {href === undefined ? <Box variant="awsui-value-large">{value}</Box> : <To href={href} fontSize="display-l" variant="awsui-value-large">{value}</To>}
      {detail === undefined ? null : <Box variant="small" color="text-body-secondary" display="block" margin={{ top: 'xs' }}>{detail}</Box>}
    </div>
  )
}
