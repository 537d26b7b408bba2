import { catalogue } from '../text'

// acting holds the texts of all forms.
export const acting = catalogue({
  en: {
    cancel: 'Cancel', submit: 'Submit', optional: 'optional', choose: 'Choose', close: 'Close',
    what: 'What will happen', nothing: 'Nothing changes yet.', incomplete: 'Complete the form to see what will happen.',
    code: 'The same as code', copyCode: 'Copy the code', noCode: (form: string) => `${form} cannot do this.`,
    forms: { cli: 'AWS CLI', terraform: 'Terraform', cloudformation: 'CloudFormation', json: 'JSON' },
    words: {
      change: (kind: string, id: string) => `Change these in the ${kind} with the id ${id}:`,
      remove: (kind: string, id: string) => `Remove the ${kind} with the id ${id}, and apply.`,
      removeFrom: (member: string, value: string) => `Remove from ${member}: ${value}`,
      addTo: (member: string) => `Add to ${member}:`,
      unset: (member: string) => `Remove ${member}`,
      noTags: 'An allocation of a template has no tags of its own.',
    },
    progress: 'Progress', state: { open: 'Not begun', running: 'In progress', waiting: 'Accepted; waiting until it is complete', done: 'Done', failed: 'Failed' },
    unknown: 'Whether it happened is not known.', unknownToken: 'Submit again: the request has the same token, so it happens once.', unknownLook: 'Look at the state before you submit again.',
    partly: 'A part is done and stays. Correct the rest and submit again; the form goes on from there.',
    failed: 'The API accepted the request, but it failed',
    notAllowed: 'Your class may not do this', notAllowedHelp: (operation: string) => `It needs the operation ${operation}. Administrators grant classes.`,
    view: 'View', wrong: 'Correct the marked fields.',
    steps: {
      CreateIpam: 'Create the IPAM', CreateIpamScope: 'Create the scope', CreateIpamPool: 'Create the pool', ProvisionIpamPoolCidr: 'Provision the CIDR', AllocateIpamPoolCidr: 'Allocate', ModifyIpam: 'Change the IPAM', ModifyIpamScope: 'Change the scope', ModifyIpamPool: 'Change the pool',
      ModifyIpamPoolAllocation: 'Change the allocation', ModifyIpamResourceCidr: 'Change the resource', ReleaseIpamPoolAllocation: 'Release', DeprovisionIpamPoolCidr: 'Deprovision the CIDR', DeleteIpam: 'Delete the IPAM', DeleteIpamScope: 'Delete the scope', DeleteIpamPool: 'Delete the pool',
      CreateTags: 'Set tags', DeleteTags: 'Remove tags', PutIpamPoolShare: 'Share the pool', DeleteIpamPoolShare: 'End the share',
    },
    fields: {
      length: 'Netmask length', addresses: (n: string) => `${n} addresses`, hosts: (n: string) => `${n} hosts in one subnet`, noLength: 'No limit',
      cidrHelp: (example: string) => `For example ${example}`, find: 'Find', noMatch: 'No match',
      tags: 'Tags', addTag: 'Add tag', remove: 'Remove', removeTag: (key: string) => `Remove the tag ${key}`, key: 'Key', value: 'Value', noTags: 'No tags',
      regions: 'Operating Regions', addRegion: 'Add a Region', useRegion: (name: string) => `Use: ${name}`, removeRegion: (name: string) => `Remove ${name}`, regionHelp: 'Type or choose the name of a Region.', homeRegion: 'home Region',
      name: 'Name', nameHelp: 'It becomes the tag Name.', description: 'Description', descriptionHelp: 'At most 255 characters',
    },
    faults: {
      cidrEmpty: 'Enter a CIDR.', cidrForm: 'Write the CIDR as address/length.', cidrHost: (canonical: string) => `The address has bits beyond the length. The block is ${canonical}.`, cidrFamily: 'The CIDR is of the other address family.',
      length: 'Choose a length.', keyEmpty: 'Enter a key.', keyTwice: 'Use each key once.', keyReserved: 'Keys that begin with aws: or cadastre: are reserved.', long: 'Use at most 255 characters.', region: 'Enter the name of a Region, such as ap-northeast-1.',
      regions: 'Choose at least one Region.', principal: 'Enter an account of 12 digits, or the id or ARN of an organizational unit or organisation.', choose: 'Choose one.', order: 'The smallest length must not be above the largest.', between: 'The default length must be between the two others.', confirm: (word: string) => `Enter ${word} to confirm.`,
    },
  },
  ja: {
    cancel: 'キャンセル', submit: '送信', optional: '任意', choose: '選択してください', close: '閉じる',
    what: '実行される内容', nothing: 'まだ変更はありません。', incomplete: 'フォームを入力すると、実行される内容が表示されます。',
    code: '同じ操作のコード', copyCode: 'コードをコピー', noCode: form => `${form} ではこの操作を実行できません。`,
    forms: { cli: 'AWS CLI', terraform: 'Terraform', cloudformation: 'CloudFormation', json: 'JSON' },
    words: {
      change: (kind, id) => `ID が ${id} の ${kind} で次を変更:`,
      remove: (kind, id) => `ID が ${id} の ${kind} を削除して適用`,
      removeFrom: (member, value) => `${member} から削除: ${value}`,
      addTo: member => `${member} に追加:`,
      unset: member => `${member} を削除`,
      noTags: 'テンプレートの割り振りにタグは付けられません。',
    },
    progress: '進行状況', state: { open: '未開始', running: '実行中', waiting: '受け付け済み。完了を待っています', done: '完了', failed: '失敗' },
    unknown: '実行されたかどうか不明です。', unknownToken: 'もう一度送信してください。同じトークンを使用するため、実行は 1 回だけです。', unknownLook: 'もう一度送信する前に、状態を確認してください。',
    partly: '一部は完了しており、そのまま残ります。残りを修正してもう一度送信すると、続きから実行します。',
    failed: 'リクエストは受け付けられましたが、失敗しました',
    notAllowed: '現在のクラスではこの操作を実行できません', notAllowedHelp: operation => `操作 ${operation} の権限が必要です。クラスは管理者が付与します。`,
    view: '表示', wrong: '印の付いた項目を修正してください。',
    steps: {
      CreateIpam: 'IPAM の作成', CreateIpamScope: 'スコープの作成', CreateIpamPool: 'プールの作成', ProvisionIpamPoolCidr: 'CIDR のプロビジョン', AllocateIpamPoolCidr: '割り振り', ModifyIpam: 'IPAM の変更', ModifyIpamScope: 'スコープの変更', ModifyIpamPool: 'プールの変更',
      ModifyIpamPoolAllocation: '割り振りの変更', ModifyIpamResourceCidr: 'リソースの変更', ReleaseIpamPoolAllocation: '解放', DeprovisionIpamPoolCidr: 'CIDR のプロビジョン解除', DeleteIpam: 'IPAM の削除', DeleteIpamScope: 'スコープの削除', DeleteIpamPool: 'プールの削除',
      CreateTags: 'タグの設定', DeleteTags: 'タグの削除', PutIpamPoolShare: 'プールの共有', DeleteIpamPoolShare: '共有の終了',
    },
    fields: {
      length: 'ネットマスク長', addresses: n => `${n} アドレス`, hosts: n => `1 サブネットで ${n} ホスト`, noLength: '制限なし',
      cidrHelp: example => `例: ${example}`, find: '検索', noMatch: '一致なし',
      tags: 'タグ', addTag: 'タグを追加', remove: '削除', removeTag: key => `タグ ${key} を削除`, key: 'キー', value: '値', noTags: 'タグはありません',
      regions: '運用リージョン', addRegion: 'リージョンを追加', useRegion: name => `使用: ${name}`, removeRegion: name => `${name} を削除`, regionHelp: 'リージョン名を入力または選択します。', homeRegion: 'ホームリージョン',
      name: '名前', nameHelp: 'タグ Name になります。', description: '説明', descriptionHelp: '255 文字以内',
    },
    faults: {
      cidrEmpty: 'CIDR を入力してください。', cidrForm: 'CIDR は「アドレス/長さ」の形式で入力してください。', cidrHost: canonical => `アドレスに長さを超えるビットがあります。ブロックは ${canonical} です。`, cidrFamily: 'CIDR のアドレスファミリーが異なります。',
      length: '長さを選択してください。', keyEmpty: 'キーを入力してください。', keyTwice: '同じキーは 1 回だけ使用できます。', keyReserved: 'aws: または cadastre: で始まるキーは予約されています。', long: '255 文字以内で入力してください。', region: 'ap-northeast-1 のようなリージョン名を入力してください。',
      regions: 'リージョンを 1 つ以上選択してください。', principal: '12 桁のアカウント、または組織単位 (OU) か組織の ID か ARN を入力してください。', choose: '選択してください。', order: '最小の長さは最大の長さ以下にしてください。', between: 'デフォルトの長さは最小と最大の間にしてください。', confirm: word => `確認のため ${word} と入力してください。`,
    },
  },
})
