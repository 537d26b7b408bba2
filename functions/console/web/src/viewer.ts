// The viewer's choices: language, theme and zone of times. They stay in the browser.
import { useSyncExternalStore } from 'react'

export type Language = 'en' | 'ja'
export type Theme = 'light' | 'dark'
export type Zone = 'local' | 'utc'

export interface Viewer {
  language: Language
  theme: Theme
  zone: Zone
}

const store = 'cadastre.viewer'

function saved(): Partial<Viewer> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(store) ?? '{}')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {} // storage is off or holds something else
  }
}

// preferred returns the first of the browser's languages that the pages have.
export function preferred(languages: readonly string[]): Language {
  for (const tag of languages) {
    const language = tag.toLowerCase().split('-')[0]
    if (language === 'en' || language === 'ja') return language
  }
  return 'en'
}

function initial(): Viewer {
  const { language, theme, zone } = saved()
  const dark = typeof matchMedia === 'function' && matchMedia('(prefers-color-scheme: dark)').matches
  return {
    language: language === 'en' || language === 'ja' ? language : preferred(typeof navigator === 'object' ? navigator.languages : []),
    theme: theme === 'light' || theme === 'dark' ? theme : dark ? 'dark' : 'light',
    zone: zone === 'utc' ? 'utc' : 'local',
  }
}

let current = initial()
const listeners = new Set<() => void>()

export function viewer(): Viewer {
  return current
}

export function choose(change: Partial<Viewer>): void {
  current = { ...current, ...change }
  try {
    localStorage.setItem(store, JSON.stringify(current))
  } catch {
    // The choice then lasts until the page is closed.
  }
  show()
  for (const listener of listeners) listener()
}

// show sets the document the language, for screen readers and fonts, and the theme.
export function show(): void {
  document.documentElement.lang = current.language
  document.body.classList.toggle('awsui-dark-mode', current.theme === 'dark')
  document.documentElement.style.colorScheme = current.theme
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useViewer(): Viewer {
  return useSyncExternalStore(subscribe, viewer)
}
