import { catalogue } from '../../text'

export const texts = catalogue({
  en: {
    pools: 'Pools', summary: 'Pool', source: 'Source pool', top: 'None: top level', children: 'Pools below', family: 'Address family', depth: 'Depth',
    tabs: { space: 'Space', cidrs: 'CIDRs', allocations: 'Allocations', resources: 'Resources', rules: 'Rules', utilisation: 'Utilisation', shares: 'Shares', events: 'Events', tags: 'Tags' },
    allocated: 'Allocated', free: 'Free addresses', forecast: 'Forecast', overlapping: 'Overlapping resources', noncompliant: 'Noncompliant resources', showMap: 'Show on the map',
    space: { help: 'Allocations and what is free between them, in the order of addresses.', what: 'What', freeRow: 'Free', allocate: 'Allocate', allocateIn: (cidr: string) => `Allocate in ${cidr}`, held: 'Held: live resources without an allocation', changing: 'A change is under way', pool: (name: string) => `Pool ${name}`, pending: 'Waits for EC2', root: 'CIDR of the pool', tooMany: 'The pool has too many blocks to list them all. The map shows them, and the tab Allocations lists the allocations in pages.', empty: 'The pool has no CIDR yet.' },
    cidrs: { failure: 'Failure', empty: 'No CIDR is provisioned to this pool.' },
    shares: { principal: 'Principal', permission: 'Permission', empty: 'The pool is not shared.', help: 'Accounts, organizational units and organisations that see this pool and may allocate from it.' },
    rulesHelp: 'The API checks these at each allocation, and the compliance of resources inside the pool follows from them.',
    resourcesEmpty: 'No resource in this pool.', allocationsEmpty: 'The pool has given nothing yet.',
    events: { help: 'Resources inside the pool’s CIDRs that appeared or went in the last 24 hours.', empty: 'Nothing happened in the last 24 hours.', change: 'Change', began: 'Appeared', ended: 'Went' },
    tags: { key: 'Key', value: 'Value' },
    chart: { title: 'Utilisation', allocated: 'Allocated', assigned: 'Assigned to resources', forecast: 'Forecast', full: 'Full', percent: 'Percent', time: 'Time', range: 'Range', days: (n: number) => (n === 1 ? '1 day' : `${n} days`), year: '1 year', years: '3 years', empty: 'There is no sample yet. The scan writes one an hour.', table: 'The same as a table', assignedHelp: 'Assigned: the part that VPCs, subnets and other resources use.' },
  },
  ja: {
    pools: 'プール', summary: 'プールの概要', source: 'ソースプール', top: 'なし (最上位)', children: '下位のプール', family: 'アドレスファミリー', depth: '深さ',
    tabs: { space: '空間', cidrs: 'CIDR', allocations: '割り振り', resources: 'リソース', rules: 'ルール', utilisation: '使用率', shares: 'リソース共有', events: 'イベント', tags: 'タグ' },
    allocated: '割り振り済み', free: '空きアドレス数', forecast: '予測', overlapping: '重複するリソース', noncompliant: '非準拠のリソース', showMap: 'マップに表示',
    space: { help: '割り振りとその間の空きを、アドレス順に表示します。', what: '内容', freeRow: '空き', allocate: '割り振る', allocateIn: cidr => `${cidr} 内で割り振る`, held: '確保済み: 割り振りのない稼働中のリソース', changing: '変更中', pool: name => `プール ${name}`, pending: 'EC2 の反映待ち', root: 'プールの CIDR', tooMany: 'ブロックが多いため、すべては表示できません。マップでは全体を、「割り振り」タブでは割り振りをページごとに表示します。', empty: 'プールに CIDR はまだありません。' },
    cidrs: { failure: '失敗の理由', empty: 'このプールに CIDR はプロビジョンされていません。' },
    shares: { principal: 'プリンシパル', permission: '許可', empty: 'このプールは共有されていません。', help: 'このプールを表示し、割り振りを受けられるアカウント、組織単位 (OU)、組織です。' },
    rulesHelp: '割り振りのたびに API が確認します。プール内のリソースのコンプライアンスもこのルールで判定されます。',
    resourcesEmpty: 'このプールにリソースはありません。', allocationsEmpty: 'このプールからの割り振りはまだありません。',
    events: { help: '過去 24 時間にプールの CIDR 内で出現または消滅したリソースです。', empty: '過去 24 時間の変更はありません。', change: '変更', began: '出現', ended: '消滅' },
    tags: { key: 'キー', value: '値' },
    chart: { title: '使用率', allocated: '割り振り済み', assigned: 'リソースが使用', forecast: '予測', full: '枯渇', percent: 'パーセント', time: '時刻', range: '期間', days: n => `${n} 日`, year: '1 年', years: '3 年', empty: 'サンプルはまだありません。スキャンが 1 時間ごとに記録します。', table: '表で表示', assignedHelp: '「リソースが使用」は、VPC、サブネットなどのリソースが使用している割合です。' },
  },
})
