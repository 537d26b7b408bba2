import Link, { type LinkProps } from '@cloudscape-design/components/link'
import { type ReactNode } from 'react'
import { useNavigate } from 'react-router'

// To is a link to a page of the console. Modifier keys open it in a new tab, as any link.
export function To({ href, children, ...rest }: { href: string; children: ReactNode } & Omit<LinkProps, 'href' | 'children' | 'onFollow'>) {
  const navigate = useNavigate()
  return (
    <Link
      {...rest}
      href={href}
      onFollow={event => {
        if (event.detail.external) return
        event.preventDefault()
        void navigate(href)
      }}
    >
      {children}
    </Link>
  )
}

// query returns a path with a query string of the parameters that have a value.
export function query(path: string, parameters: Record<string, string | undefined>): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined && value !== '') search.append(key, value)
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}
