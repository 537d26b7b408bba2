import Input, { type InputProps } from '@cloudscape-design/components/input'
import TopNavigation, { type TopNavigationProps } from '@cloudscape-design/components/top-navigation'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { request } from '../api/call'
import { useFormat } from '../format'
import { query } from '../parts/link'
import { useSession } from '../session'
import { useText } from '../text'
import { choose, useViewer, type Language, type Theme, type Zone } from '../viewer'
import { texts } from './text'

// Top is the bar above all pages: search, display and session.
export function Top() {
  const t = useText(texts)
  const f = useFormat()
  const session = useSession()
  const { language, theme, zone } = useViewer()
  const navigate = useNavigate()
  const client = useQueryClient()

  const signOut = async () => {
    try {
      await request('/logout', { method: 'POST' })
    } finally {
      await client.resetQueries({ queryKey: ['session'] })
    }
  }
  const item = (id: string, text: string, on: boolean) => ({ id, text, itemType: 'checkbox' as const, checked: on })
  const utilities: TopNavigationProps.Utility[] = [
    {
      type: 'menu-dropdown', iconName: 'settings', title: t.settingsMenu, ariaLabel: t.settingsMenu,
      items: [
        { id: 'language', text: t.language, items: [item('language:en', 'English', language === 'en'), item('language:ja', '日本語', language === 'ja')] },
        { id: 'theme', text: t.theme, items: [item('theme:light', t.light, theme === 'light'), item('theme:dark', t.dark, theme === 'dark')] },
        { id: 'zone', text: t.times, items: [item('zone:local', t.local, zone === 'local'), item('zone:utc', t.utc, zone === 'utc')] },
      ],
      onItemClick: e => {
        const [what, value] = e.detail.id.split(':')
        if (what === 'language') choose({ language: value as Language })
        if (what === 'theme') choose({ theme: value as Theme })
        if (what === 'zone') choose({ zone: value as Zone })
      },
    },
    {
      type: 'menu-dropdown', iconName: 'user-profile', text: short(session.Name), description: session.Name, ariaLabel: session.Name,
      items: [
        { id: 'class', text: t.classes[session.Class] ?? session.Class, disabled: true },
        { id: 'account', text: t.account(session.Account), disabled: true },
        { id: 'region', text: t.region(session.Region), disabled: true },
        ...(session.Expires === undefined ? [] : [{ id: 'expires', text: t.expires(f.time(session.Expires)), disabled: true }]),
        ...(session.Hosted ? [{ id: 'out', text: t.signOut }] : []),
      ],
      onItemClick: e => {
        if (e.detail.id === 'out') void signOut()
      },
    },
  ]
  return (
    <div id="top" data-part="top">
      <TopNavigation
        identity={{ href: '/', title: 'Cadastre', onFollow: e => { e.preventDefault(); void navigate('/') } }}
        search={<Search />}
        utilities={utilities}
        i18nStrings={{ overflowMenuTriggerText: t.more, overflowMenuTitleText: t.menu, searchIconAriaLabel: t.search, searchDismissIconAriaLabel: t.close }}
      />
    </div>
  )
}

// short returns the end of an ARN: the person, not the role.
function short(name: string): string {
  return name.startsWith('arn:') ? (name.split('/').at(-1) ?? name) : name
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}

function Search() {
  const t = useText(texts)
  const navigate = useNavigate()
  const [parameters] = useSearchParams()
  const input = useRef<InputProps.Ref>(null)
  const asked = parameters.get('q') ?? ''
  const [seen, setSeen] = useState(asked)
  const [text, setText] = useState(asked)
  if (seen !== asked) {
    setSeen(asked)
    setText(asked)
  }
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || typing(e.target)) return
      e.preventDefault()
      input.current?.select()
    }
    document.addEventListener('keydown', key)
    return () => document.removeEventListener('keydown', key)
  }, [])
  return (
    <Input
      ref={input}
      type="search"
      value={text}
      placeholder={`${t.searchHelp} (/)`}
      ariaLabel={`${t.search}. ${t.searchKey}`}
      onChange={e => setText(e.detail.value)}
      onKeyDown={e => {
        if (e.detail.key === 'Enter' && !e.detail.isComposing && text.trim() !== '') void navigate(query('/search', { q: text.trim() }))
      }}
    />
  )
}
