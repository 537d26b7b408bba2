import { catalogue } from '../../text'

export const texts = catalogue({
  en: {
    title: 'Create an address plan', help: 'Three steps: the IPAM with its Regions, the space with a pool for each Region, and the rules of the pools.',
    wizard: { ipam: 'IPAM', space: 'Space', rules: 'Rules', review: 'Review and create', step: (n: number) => `Step ${n}`, of: (n: number, all: number) => `Step ${n} of ${all}`, previous: 'Previous', next: 'Next', create: 'Create', edit: 'Edit', navigation: 'Steps' },
    ipam: {
      help: 'An IPAM manages the addresses of the organisation in its operating Regions.', which: 'Which IPAM', existing: 'Use an IPAM that is there', existingHelp: 'A new address plan in one of its private scopes.', new: 'Create an IPAM', newHelp: 'With a private scope and a public scope.',
      regionsHelp: 'Pools have one of these Regions as their locale, and discovery reads them.', scope: 'Scope',
    },
    space: {
      help: 'The top-level pool has the whole space of the network. A pool for each Region gets a part of it.', family: 'Address family', top: 'Top-level pool', topName: 'Name of the pool', cidr: 'CIDR of the whole network', regional: 'Pools for the Regions', regionalHelp: 'Each gets the next free block of its length.',
      pool: (region: string) => `Pool in ${region}`, name: 'Name', length: 'Length', tooMuch: 'The parts are larger than the whole. Choose longer netmasks.', none: 'Without a pool that has a locale, no VPC gets addresses.',
    },
    rules: {
      help: 'The API checks these at each allocation. The compliance of resources follows from them.', of: (pools: string) => `The rules of ${pools}`, lengths: 'Netmask lengths of allocations', min: 'Largest block', max: 'Smallest block', standard: 'Default', standardNone: 'None: a request must have a length', tags: 'Tags that a resource must have', tagsHelp: 'A VPC gets addresses only if it has all of them.', autoImport: 'Import resources', autoImportHelp: 'A VPC that discovery finds inside the pool’s CIDRs gets an allocation if its space is free. Rules decide on its compliance, not on the import.',
      noLocale: 'A pool without a locale imports nothing.',
    },
    review: { existing: (name: string) => `The IPAM ${name}` },
    will: {
      ipam: (regions: string) => `An IPAM is created that operates in ${regions}.`, scopes: 'It gets a private scope, a public scope and a resource discovery, which reads the accounts.',
      top: (name: string, cidr: string) => `The top-level pool ${name} is created and gets ${cidr}.`, region: (name: string, region: string, length: string) => `The pool ${name} is created for ${region} and gets the next free block of length ${length}.`,
      pool: (name: string, source: string) => `The pool ${name} is created below ${source}.`, topOnly: (name: string) => `The pool ${name} is created at the top level of the scope.`, provision: (cidr: string) => `It gets the CIDR ${cidr}.`, provisionLength: (length: string) => `It gets the next free block of length ${length} of its source pool.`, empty: 'It has no space until you provision a CIDR.',
      scope: 'A private scope is created. Its CIDRs may be the same as those of other scopes.', description: (text: string) => `Its description is: ${text}`,
    },
    unnamed: '(without a name)', done: 'The address plan is created.', donePool: (name: string) => `The pool ${name} is created.`, doneScope: 'The scope is created.', viewPools: 'Show the pools', viewPool: 'Show the pool', viewScope: 'Show the scopes', settings: 'Settings',
    pool: { title: 'Create a pool', help: 'A pool holds CIDRs and gives parts of them to VPCs, to other pools and to custom uses.', place: 'Place', source: 'Source pool', noSource: 'None: at the top level', locale: 'Locale', noLocale: 'None', localeHelp: 'Only resources of this Region get addresses from the pool.', localeOfSource: 'The pool has the locale of its source.', space: 'First CIDR', later: 'Later', byLength: 'By netmask length', byCidr: 'By CIDR', how: 'How', identity: 'Name', advertisable: 'Advertise to the internet', advertisableHelp: 'Amazon may advertise the CIDRs of the pool.', publicTop: 'Space of public top-level pools cannot be provisioned here yet.' },
    scope: { title: 'Create a scope', help: 'A private scope is an address space of its own: its CIDRs do not overlap those of other scopes.', ipam: 'IPAM' },
  },
  ja: {
    title: 'アドレス計画の作成', help: '3 つのステップで作成します: IPAM とリージョン、空間とリージョン別プール、プールのルール。',
    wizard: { ipam: 'IPAM', space: '空間', rules: 'ルール', review: '確認と作成', step: n => `ステップ ${n}`, of: (n, all) => `ステップ ${n} / ${all}`, previous: '前へ', next: '次へ', create: '作成', edit: '編集', navigation: 'ステップ' },
    ipam: {
      help: 'IPAM は、運用リージョンにおける組織のアドレスを管理します。', which: '使用する IPAM', existing: '既存の IPAM を使用', existingHelp: '既存のプライベートスコープに新しいアドレス計画を作成します。', new: 'IPAM を作成', newHelp: 'プライベートスコープとパブリックスコープを含みます。',
      regionsHelp: 'プールのロケールに指定でき、検出の対象となるリージョンです。', scope: 'スコープ',
    },
    space: {
      help: '最上位プールはネットワーク全体の空間を保持し、リージョン別のプールにその一部を割り当てます。', family: 'アドレスファミリー', top: '最上位プール', topName: 'プールの名前', cidr: 'ネットワーク全体の CIDR', regional: 'リージョン別プール', regionalHelp: '指定した長さの次の空きブロックを割り当てます。',
      pool: region => `${region} のプール`, name: '名前', length: '長さ', tooMuch: '各プールの合計が全体より大きくなっています。より長いネットマスクを選択してください。', none: 'ロケールのあるプールがないため、VPC にアドレスを割り振れません。',
    },
    rules: {
      help: '割り振りのたびに API が確認します。リソースのコンプライアンスもこのルールで判定されます。', of: pools => `${pools} のルール`, lengths: '割り振りのネットマスク長', min: '最大のブロック', max: '最小のブロック', standard: 'デフォルト', standardNone: 'なし: リクエストで長さの指定が必要', tags: 'リソースに必要なタグ', tagsHelp: 'すべてのタグを持つ VPC にのみ割り振ります。', autoImport: 'リソースをインポート', autoImportHelp: 'プールの CIDR 内で検出された VPC に、空間が空いていれば割り振りを作成します。ルールはコンプライアンスの判定に使用され、インポートの可否には影響しません。',
      noLocale: 'ロケールのないプールは何もインポートしません。',
    },
    review: { existing: name => `IPAM ${name}` },
    will: {
      ipam: regions => `${regions} で運用する IPAM を作成します。`, scopes: 'プライベートスコープ、パブリックスコープ、アカウントを読み取るリソース検出も作成されます。',
      top: (name, cidr) => `最上位プール ${name} を作成し、${cidr} をプロビジョンします。`, region: (name, region, length) => `プール ${name} を ${region} 用に作成し、長さ ${length} の次の空きブロックをプロビジョンします。`,
      pool: (name, source) => `プール ${name} を ${source} の下に作成します。`, topOnly: name => `プール ${name} をスコープの最上位に作成します。`, provision: cidr => `CIDR ${cidr} をプロビジョンします。`, provisionLength: length => `ソースプールから長さ ${length} の次の空きブロックをプロビジョンします。`, empty: 'CIDR をプロビジョンするまで空間はありません。',
      scope: 'プライベートスコープを作成します。他のスコープと同じ CIDR を使用できます。', description: text => `説明: ${text}`,
    },
    unnamed: '(名前なし)', done: 'アドレス計画を作成しました。', donePool: name => `プール ${name} を作成しました。`, doneScope: 'スコープを作成しました。', viewPools: 'プールを表示', viewPool: 'プールを表示', viewScope: 'スコープを表示', settings: '設定',
    pool: { title: 'プールの作成', help: 'プールは CIDR を保持し、VPC、他のプール、カスタム用途にその一部を割り振ります。', place: '場所', source: 'ソースプール', noSource: 'なし (最上位)', locale: 'ロケール', noLocale: 'なし', localeHelp: 'このリージョンのリソースのみに割り振ります。', localeOfSource: 'ソースプールのロケールが適用されます。', space: '最初の CIDR', later: '後で指定', byLength: 'ネットマスク長で指定', byCidr: 'CIDR で指定', how: '指定方法', identity: '名前', advertisable: 'インターネットにアドバタイズ', advertisableHelp: 'Amazon がプールの CIDR をアドバタイズできるようにします。', publicTop: 'パブリックスコープの最上位プールの空間は、まだここではプロビジョンできません。' },
    scope: { title: 'スコープの作成', help: 'プライベートスコープは独立したアドレス空間です。他のスコープの CIDR とは重複になりません。', ipam: 'IPAM' },
  },
})
