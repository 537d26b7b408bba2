import { catalogue } from '../text'

export const texts = catalogue({
  en: {
    home: 'Home', pools: 'Pools', map: 'Space map', resources: 'Resources', overlaps: 'Overlaps', history: 'History', public: 'Public addresses', discovery: 'Discovery',
    allocations: 'Allocations', requests: 'Requests', settings: 'Settings', search: 'Search', create: 'Create',
    groups: { space: 'Address space', observed: 'Observed network', work: 'Administration' },
    navigation: 'Navigation', open: 'Open navigation', close: 'Close navigation', breadcrumbs: 'Bread crumbs', notifications: 'Notifications',
    searchHelp: 'Address, VPC, account, name', searchKey: 'Press / to search',
    language: 'Language', theme: 'Theme', light: 'Light', dark: 'Dark', times: 'Times', local: 'Local time', utc: 'UTC', settingsMenu: 'Display',
    classes: { read: 'Reads', allocate: 'Allocates', administer: 'Administers' },
    account: (id: string) => `Account ${id}`, region: (name: string) => `Home Region ${name}`, expires: (time: string) => `Session ends ${time}`,
    signOut: 'Sign out',
    signedOut: 'You are signed out', signedOutHosted: 'The session has ended.', signIn: 'Sign in',
    signedOutHere: 'This link to the console is not valid any more. Start the console again and open the address that it prints:',
    skip: 'Skip to main content', menu: 'Menu', more: 'More',
  },
  ja: {
    home: 'ホーム', pools: 'プール', map: 'スペースマップ', resources: 'リソース', overlaps: '重複', history: '履歴', public: 'パブリックアドレス', discovery: '検出',
    allocations: '割り振り', requests: 'リクエスト', settings: '設定', search: '検索', create: '作成',
    groups: { space: 'アドレス空間', observed: '検出したネットワーク', work: '管理' },
    navigation: 'ナビゲーション', open: 'ナビゲーションを開く', close: 'ナビゲーションを閉じる', breadcrumbs: 'パンくずリスト', notifications: '通知',
    searchHelp: 'アドレス、VPC、アカウント、名前', searchKey: '/ キーで検索',
    language: '言語', theme: 'テーマ', light: 'ライト', dark: 'ダーク', times: '時刻', local: '現地時刻', utc: 'UTC', settingsMenu: '表示',
    classes: { read: '読み取り', allocate: '割り振り', administer: '管理' },
    account: id => `アカウント ${id}`, region: name => `ホームリージョン ${name}`, expires: time => `セッションの終了 ${time}`,
    signOut: 'サインアウト',
    signedOut: 'サインアウトしました', signedOutHosted: 'セッションが終了しました。', signIn: 'サインイン',
    signedOutHere: 'このコンソールのリンクは無効になりました。コンソールを再度起動し、表示されたアドレスを開いてください:',
    skip: 'メインコンテンツへ移動', menu: 'メニュー', more: 'その他',
  },
})
