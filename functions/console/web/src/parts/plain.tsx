import Box from '@cloudscape-design/components/box'
import { type ReactNode } from 'react'
import './plain.css'

interface Column<Row> {
  header: string
  cell: (row: Row) => ReactNode
  rowHeader?: boolean
  end?: boolean // numbers stand at the end of the cell
}

// Plain is a short table without controls. It is in the first load; List is not.
export function Plain<Row>({ label, rows, columns, empty }: { label: string; rows: readonly Row[]; columns: readonly Column<Row>[]; empty?: ReactNode }) {
  if (rows.length === 0) return <Box color="text-body-secondary">{empty}</Box>
  return (
    // The keyboard reaches a table that is wider than its place.
    <div className="plain" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead><tr>{columns.map(c => <th key={c.header} scope="col" className={c.end === true ? 'plain-end' : undefined}>{c.header}</th>)}</tr></thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {columns.map(c => (c.rowHeader === true ? <th key={c.header} scope="row">{c.cell(row)}</th> : <td key={c.header} className={c.end === true ? 'plain-end' : undefined}>{c.cell(row)}</td>))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
