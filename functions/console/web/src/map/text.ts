import { catalogue } from '../text'

export const texts = catalogue({
  en: {
    title: 'Space map', help: 'The address space from left to right, a row for each prefix length: a block stands above the blocks inside it.',
    allPools: 'All pools of the scope', family: 'Address family', colour: 'Colour by', modes: { state: 'State', owner: 'Owner', compliance: 'Compliance', age: 'Age' },
    view: 'View', map: 'Map', table: 'Table', zoomIn: 'Zoom in', zoomOut: 'Zoom out', whole: 'Show everything', path: 'Zoomed to', everything: 'Everything',
    now: 'just now', live: (ago: string) => `Read from the table ${ago}`, summary: (ago: string) => `Added up by the scan ${ago}`, tiles: 'Tiles add up the blocks. Zoom in to see the blocks.', more: 'Reading more detail',
    empty: 'Nothing to show: there is no pool and no resource with addresses of this family here.', emptyPool: 'The pool has no CIDR yet.', notHere: (cidr: string) => `${cidr} is not in the space of this map.`,
    noScope: 'There is no scope yet.',
    showPast: 'Show a time of the past', otherTime: 'Choose another time', backToNow: 'Back to now', asItWas: (time: string) => `The map as it was at ${time}. Nothing can be allocated in the past.`, past: 'Read from the history', date: 'Date', time: 'Time', timeUTC: 'Time (UTC)', calendar: 'Choose a date', show: 'Show', cancel: 'Cancel', wrongTime: 'Choose a date and a time that are not in the future.',
    canvas: (what: string) => `Map of ${what}`, keys: 'Arrow keys move from block to block: left and right beside, up around, down inside. Enter zooms in, Escape or Backspace zooms out, plus and minus zoom, 0 shows everything. A opens the allocation form for a free block. The view Table shows the same as a table.',
    keysShort: 'Arrows move · Enter zooms in · Esc zooms out · + − zoom · 0 everything · A allocates · or drag, scroll and click', hole: 'Click free space to allocate it.',
    legend: 'Legend', unknown: 'Not known', overlapping: 'Overlapping', otherOwner: 'Other accounts', noOwner: 'No account',
    classes: {
      pool: 'Pool', free: 'Free', changing: 'A change is under way', allocated: 'Allocated', used: 'Resource inside', held: 'Held: live, not managed', unmanaged: 'Unmanaged resource', ignored: 'Ignored',
      compliant: 'Compliant', noncompliant: 'Noncompliant', idle: 'No live resource', day: 'Less than a day', week: 'Less than a week', month: 'Less than 30 days', year: 'Less than a year', older: 'Older',
    },
    unmanagedStatus: 'Unmanaged', noAge: 'No live resource', kinds: { pool: 'Pool', allocated: 'Allocation', held: 'Held by live resources', free: 'Free', changing: 'A change is under way', resource: 'Resource', tile: 'Part with many blocks' },
    details: 'Details', none: 'Point at a block, or move to it with the arrow keys.', several: (n: string) => `${n} blocks are narrower than a pixel here. Click to zoom in.`, allocate: 'Allocate here', zoomHere: 'Zoom in here', allocateIn: (cidr: string, pool: string) => `Allocate ${cidr} in ${pool}`,
    pool: 'Pool', inPool: 'In the pool', pending: 'Waits for EC2 until', overlapsWith: 'Overlaps with', allocations: 'Allocations', freeBlocks: 'Free blocks', resources: 'Resources', allocated: 'Allocated', free: 'Free', held: 'Held', provisioned: 'In pools', noncompliant: 'Noncompliant', unmanaged: 'Unmanaged', moreResources: (n: string) => `and ${n} more`,
    tableTitle: 'Blocks', tableHelp: 'What the map shows, in the order of addresses. Indented blocks are inside the block above.', what: 'What', act: 'Act', said: (what: string, cidr: string, addresses: string) => `${what}, ${cidr}, ${addresses}`, inside: (n: string) => `${n} blocks inside`, readOnly: 'Your class may not allocate.',
  },
  ja: {
    title: 'スペースマップ', help: 'アドレス空間を左から右に、プレフィックス長ごとに 1 行で表示します。ブロックの下に、その内側のブロックが並びます。',
    allPools: 'スコープのすべてのプール', family: 'アドレスファミリー', colour: '色分け', modes: { state: '状態', owner: '所有者', compliance: 'コンプライアンス', age: '経過時間' },
    view: '表示', map: 'マップ', table: '表', zoomIn: '拡大', zoomOut: '縮小', whole: '全体を表示', path: '表示範囲', everything: '全体',
    now: 'たった今', live: ago => `テーブルから取得: ${ago}`, summary: ago => `スキャンで集計: ${ago}`, tiles: 'タイルはブロックを集計したものです。拡大するとブロックを表示します。', more: '詳細を読み込み中',
    empty: '表示するものがありません。このアドレスファミリーのプールもリソースもありません。', emptyPool: 'プールに CIDR はまだありません。', notHere: cidr => `${cidr} はこのマップの空間にありません。`,
    noScope: 'スコープはまだありません。',
    showPast: '過去の時点を表示', otherTime: '別の時点を選択', backToNow: '現在に戻る', asItWas: time => `${time} 時点のマップです。過去の空間には割り振れません。`, past: '履歴から取得', date: '日付', time: '時刻', timeUTC: '時刻 (UTC)', calendar: '日付を選択', show: '表示', cancel: 'キャンセル', wrongTime: '未来ではない日付と時刻を選択してください。',
    canvas: what => `${what} のマップ`, keys: '矢印キーでブロック間を移動します。左右は隣、上は外側、下は内側のブロックです。Enter で拡大、Escape または Backspace で縮小、プラスとマイナスで拡大と縮小、0 で全体を表示します。A で空きブロックの割り振りフォームを開きます。「表」では同じ内容を表で確認できます。',
    keysShort: '矢印: 移動 · Enter: 拡大 · Esc: 縮小 · + −: 拡大と縮小 · 0: 全体 · A: 割り振り · ドラッグ、スクロール、クリックも可', hole: '空きをクリックすると割り振れます。',
    legend: '凡例', unknown: '不明', overlapping: '重複', otherOwner: 'その他のアカウント', noOwner: 'アカウントなし',
    classes: {
      pool: 'プール', free: '空き', changing: '変更中', allocated: '割り振り済み', used: '内側のリソース', held: '確保済み: 稼働中、管理外', unmanaged: 'アンマネージドのリソース', ignored: '無視',
      compliant: '準拠', noncompliant: '非準拠', idle: '稼働中のリソースなし', day: '1 日未満', week: '1 週間未満', month: '30 日未満', year: '1 年未満', older: '1 年以上',
    },
    unmanagedStatus: 'アンマネージド', noAge: '稼働中のリソースなし', kinds: { pool: 'プール', allocated: '割り振り', held: '稼働中のリソースが使用', free: '空き', changing: '変更中', resource: 'リソース', tile: 'ブロックの多い部分' },
    details: '詳細', none: 'ブロックにポインターを合わせるか、矢印キーで移動してください。', several: n => `ここには 1 ピクセルより狭いブロックが ${n} 個あります。クリックすると拡大します。`, allocate: 'ここに割り振る', zoomHere: 'ここを拡大', allocateIn: (cidr, pool) => `${pool} で ${cidr} を割り振る`,
    pool: 'プール', inPool: '所属プール', pending: 'EC2 の反映待ち (期限)', overlapsWith: '重複相手', allocations: '割り振り', freeBlocks: '空きブロック', resources: 'リソース', allocated: '割り振り済み', free: '空き', held: '確保済み', provisioned: 'プール内', noncompliant: '非準拠', unmanaged: 'アンマネージド', moreResources: n => `ほか ${n} 件`,
    tableTitle: 'ブロック', tableHelp: 'マップと同じ内容をアドレス順に表示します。字下げしたブロックは、上のブロックの内側にあります。', what: '内容', act: '操作', said: (what, cidr, addresses) => `${what}、${cidr}、${addresses}`, inside: n => `内側に ${n} ブロック`, readOnly: 'お使いのクラスでは割り振りはできません。',
  },
})
