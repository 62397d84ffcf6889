import type { Catalogue } from './en';

export const helpStates: Catalogue['helpStates'] = {
  asked: '已询问',
  accepted: '正在帮忙',
  declined: '暂时不行',
  expired: '没有回答',
  lost: '联系不上',
  ended: '已停止',
};

export const helpReasons: Catalogue['helpReasons'] = {
  no: '这次没有答应',
  not_lending: '现在不出借：已关闭、不在时段内，或今天的额度已用完',
  too_many: '正在帮助的人数已到上限',
  host: '不为这个服务器出借',
  completed: '文件已完整',
  cancelled: '已不再需要',
  elsewhere: '帮不上：服务器把所有请求都转到了另一台没有答应过的服务器',
  no_gain: '没有带来更多：很可能你们以同一个公网地址访问服务器',
  mismatch: '发来的内容与服务器的不同；文件里没有这些内容，以后不再询问它',
  budget: '愿意给出的额度已用完',
  stopped: '已停止帮忙',
  lost: '已联系不上',
  other: '帮忙已结束',
};

export const modes: Catalogue['modes'] = { relay: '转运', fetch: '代取' };

export const modeHelp: Catalogue['modeHelp'] = {
  relay: '转运你的加密连接；既看不到也改不了其中的内容。',
  fetch: '替你下载一部分并转交给你。',
};

export const learns: Catalogue['learns'] = { relay: '会得知服务器和大小', fetch: '会得知链接' };

export const modeAsks: Catalogue['modeAsks'] = {
  relay: '你的电脑转运一条加密连接：你既看不到也改不了其中的内容。',
  fetch: '你的电脑以你的名义下载，并转交给对方。',
};

export const helpWishes: Catalogue['helpWishes'] = {
  auto: '自动',
  relay: '只转运',
  fetch: '只代取',
};

export const helpWishHelp: Catalogue['helpWishHelp'] = {
  auto: '可以时转运你的加密连接，否则代取。',
  relay: '他们只转运你的加密连接：既不会得知链接，也不会得知内容。需要 https。',
  fetch: '他们自己从服务器下载，因此会得知链接。只有给出 SHA-256 时，才能证明他们带来的内容无误。',
};

export const pairingStates: Catalogue['pairingStates'] = {
  connecting: {
    title: (name) => `与 ${name} 配对`,
    text: (name) => `正在等待 ${name} 应答。`,
  },
  compare: {
    title: (name) => `与 ${name} 配对`,
    text: (name) =>
      `两边屏幕上的数字必须相同。请看对方的屏幕，或打电话核对：只有 ${name} 能告诉你。`,
  },
  waiting_for_other: {
    title: (name) => `等待 ${name}`,
    text: (name) => `你已确认数字相同。还需要 ${name} 确认。`,
  },
  paired: {
    title: (name) => `你和 ${name} 已配对`,
    text: (name) =>
      `从现在起，无论名称或地址如何变化，都以那台设备的密钥认出 ${name}，没有人能冒充。`,
  },
  refused: {
    title: () => '未配对',
    text: () =>
      '你们中有一方表示数字不同，或不想配对。什么都没有改变。如果数字确实不同，可能有人夹在你们中间：请换一个网络再试。',
  },
  expired: {
    title: () => '未配对：时间已到',
    text: () => '一分钟内没有等到双方的回答。什么都没有改变；请在双方都看着屏幕时再试。',
  },
  cheated: {
    title: () => '配对已中止',
    text: (name) =>
      `以 ${name} 之名应答的设备违反了配对规则：可能有人夹在你们中间。什么都没有改变。请不要在此网络上再试。`,
  },
  failed: {
    title: () => '配对没有开始',
    text: (name) => `无法联系到 ${name}，或者最近几分钟内询问过于频繁。什么都没有改变。`,
  },
};

export const accepts: Catalogue['accepts'] = {
  ask: '每次问我',
  friends: '好友直接帮',
  all: '所有人直接帮',
};

export const acceptHelp: Catalogue['acceptHelp'] = {
  ask: '每个求助都由你决定。',
  friends: '好友求助时直接帮忙；陌生人仍需先问你。',
  all: '此网络上和群组里的任何人求助时都直接帮忙，不再询问。',
};

export const asks: Catalogue['asks'] = { none: '不请', friends: '好友', everyone: '所有人' };

export const askHelp: Catalogue['askHelp'] = {
  none: '以后仍可在下载的详情里请人帮忙。',
  friends:
    '会询问愿意出借带宽的好友。https 时他们尽可能转运你的加密连接；无法转运的好友在给出 SHA-256 时会得知链接。http 或 ftp 链接他们会得知。含有“?”的链接不会自动告诉任何人。',
  everyone:
    '也会询问此网络上和群组里的陌生人。https 时他们只转运你的加密连接；http 或 ftp 链接仅在给出 SHA-256 时才会让他们得知。带有登录信息时只请好友转运。',
};

export const meetings: Catalogue['meetings'] = {
  automatic: '自动',
  lan_only: '仅本网络',
  server_only: '仅群组',
};

export const meetingHelp: Catalogue['meetingHelp'] = {
  automatic: '在此网络上以多播寻找，并在你加入的群组里寻找路由器之外的人。',
  lan_only: '只在此网络上以多播寻找。没有服务器会知道本机；路由器另一侧的人找不到。',
  server_only: '只在你的群组里寻找。不在此网络上公布任何信息。',
};

export const limits: Catalogue['limits'] = {
  address: '更多连接也不会更快：这是服务器或你的线路的上限。',
  connections: '服务器拒绝更多连接。',
};

export const lending: Catalogue['lending'] = {
  on: '出借已开启',
  off: '出借已关闭',
  label: '把我的线路借给其他人',
  offHelp: '没有人能请你帮忙',
  idle: '此刻没有借出',
  now: (throughput) => `此刻借出 ${throughput}`,
  switchOn: '开启出借',
  title: '帮助其他人',
  atOnce: '不必询问，直接帮助',
  choices: { ask: '没有人', friends: '好友', all: '所有人' },
  private: '也从私有地址获取',
  privateHelp: '即你所在网络内部的服务器。如果不信任整个网络，请不要开启。',
  today: (lent, daily) => `今天 ${lent} / ${daily}`,
  todayAll: (lent) => `今天 ${lent}`,
  never: '从不为这些服务器出借',
  neverHelp:
    '每行一个，其下的子域也包括在内。最初是仅凭你的地址就能进入的平台，例如各出版社的平台。',
  neverSave: '保存列表',
  neverRevert: '还原',
  neverWrong: '列表没有保存。',
  neverSaved: '已保存',
  firstTitle: '把你的线路借给其他人？',
  firstText:
    '此网络上和群组里的其他人便可以请你帮忙下载。每个求助都由你决定，你的磁盘上不会存储任何内容，关闭开关会立即结束一切。出借不会超过：',
  firstLater: '随时可以在设置中更改。',
  firstCancel: '不开启',
};

export const terms: Catalogue['terms'] = {
  daily: '每日额度',
  rate: '速率上限',
  hours: '时段',
  limited: '仅在',
  from: '从',
  to: '到',
  gb: 'GB',
  mbs: 'MB/秒',
  noBound: '不限',
  asForAll: '与总额相同',
  wrong: {
    daily: '额度是以 GB 为单位的数字，例如 10 或 0.5；留空表示不限。',
    rate: '上限是以 MB/秒 为单位的数字，例如 12.5；留空表示不限。',
    from: '时间应形如 22:00。',
    to: '时间应形如 22:00。',
  },
  aDay: (bytes) => `每天最多 ${bytes}`,
  atMost: (throughput) => `不超过 ${throughput}`,
  between: (from, to) => `${from} 至 ${to}`,
  none: '与总额相同',
  unbounded: '没有限制',
  and: (parts) => parts.join('，'),
};

export const rules: Catalogue['rules'] = {
  people: '成员',
  tab: '规则',
  forAll: '对所有人合计',
  change: '更改…',
  always: '总是帮助',
  alwaysNone: '没有。在求助中或好友的菜单里选择“总是帮助”即可建立规则。',
  alwaysOff: '出借已关闭：开启之前不帮助任何人。',
  blocked: '已屏蔽的设备',
  blockedNone: '没有。被屏蔽的设备不能向你求助，你也不会询问它。',
  unnamed: '没有名称',
  today: (lent) => `今天 ${lent}`,
  edit: '编辑…',
  remove: '删除',
  unblock: '取消屏蔽',
  editOf: (name) => `编辑 ${name} 的规则`,
  removeOf: (name) => `删除 ${name} 的规则`,
  unblockOf: (name) => `取消屏蔽 ${name}`,
  newTitle: (name) => `总是帮助 ${name}？`,
  editTitle: (name) => `总是帮助 ${name}`,
  text: (name) => `从现在起不再询问你，每天按以下条件帮助 ${name}：`,
  within: (terms) => `不会超过你借给所有人的合计：${terms}。`,
  thisToo: '正在等待的求助会一并接受。',
  submitNew: '总是帮助',
  submitEdit: '保存',
  cancel: '取消',
};

export const pairing: Catalogue['pairing'] = {
  title: '与设备配对',
  text: '配对可以确认一台设备属于你认识的人：你们比对两边屏幕上的六位数字。在另一台设备上也可以发起，或在那里等待。',
  who: '地址或设备标识',
  whoHelp: '例如 10.42.3.17 或 10.42.3.17:26269',
  submit: '配对',
  cancel: '取消',
  same: '相同',
  notSame: '不相同',
  code: (digits) => `数字是 ${digits}`,
  begins: (name) => `${name} 想与本机配对。`,
  close: '关闭',
  again: '重试',
  stop: '取消',
  wrong: '配对没有开始。',
  over: '这次配对已经结束。',
};

export const block: Catalogue['block'] = {
  title: (name) => `屏蔽 ${name}？`,
  text: (name) =>
    `${name} 不能再向你求助，你也不会询问它；你们之间正在进行的会立即结束，好友关系和规则也随之结束。可以在“好友”的“规则”中取消屏蔽。`,
  confirm: '屏蔽',
  cancel: '取消',
};

export const removeFriend: Catalogue['removeFriend'] = {
  title: (name) => `从好友中移除 ${name}？`,
  text: (name) =>
    `${name} 重新成为陌生人：它必须像其他人一样先询问，规则和配对都会消失。你对它的帮助会结束，它对你下载的帮助也会结束。`,
  confirm: '移除好友',
  cancel: '保留',
};

export const friends: Catalogue['friends'] = {
  title: '好友',
  online: (n) => `${n} 人在线`,
  thisDevice: '本机（其他人看到的样子）',
  id: '设备标识',
  copy: '复制设备标识',
  copied: '已复制',
  friend: '好友',
  stranger: '还不是好友',
  ruled: '总是帮助',
  byLan: '在此网络上',
  byKnown: '以前见过',
  byGroup: (group) => `在 ${group} 中列出`,
  reachedAt: (address) => `经 ${address} 联系`,
  called: '由对方呼叫本机',
  why: '原因和办法',
  paired: '已配对：你们比对过两边屏幕上的数字',
  otherKey: (name) =>
    `在 ${name} 原来的位置应答的是另一台设备。不会向它发送任何内容。请询问 ${name}：如果那台设备是重新安装的，请移除好友后重新配对；否则可能有人在冒充它。`,
  more: (name) => `${name} 的更多操作`,
  pairWith: '按地址配对…',
  menu: {
    pair: '配对…',
    always: '总是帮助…',
    rule: '编辑规则…',
    unrule: '删除规则',
    remove: '移除好友…',
    block: '屏蔽…',
  },
  lends: '出借带宽',
  doesNotLend: '不出借带宽',
  isOnline: '在线',
  isOffline: '离线',
  isOut: '联系不上',
  helps: (n) => `正在帮你下载 ${n} 个文件`,
  emptyTitle: '这里还没有其他人',
  emptyText:
    '此网络上运行 Manyhands 的人无需任何设置就会被发现。但路由器不会转发这些信息：与其他楼栋、子网或 Wi-Fi 的人，要在群组里相见。',
  emptyListed: '你的群组里此刻没有其他人在线，此网络上也没有见到人。',
  emptyListedOnly: '你的群组里此刻没有其他人在线。',
  emptyLanOnly: '目前只在此网络上寻找，所以找不到你群组里的人。可以在设置中更改。',
  emptyServerOnly:
    '目前只在群组里寻找，而你没有加入任何群组。请加入或创建一个，或者在设置中允许在此网络上寻找。',
  emptyTrouble: '你的群组的服务器现在无法使用，所以在那里找不到任何人。原因见“群组”。',
  emptyUnreached:
    '你的群组里有其他人在线，但还没有联系上任何人：中间可能有防火墙，或者网络把设备彼此隔开。详情见“群组”。',
  emptyConnecting: '正在连接你的群组的服务器；还没有见到其他人。',
  checks: '如果此网络上少了某个人，请检查：',
  check: {
    network: '两台电脑在同一个网络上，中间没有路由器。访客网络往往会把它们隔开。',
    firewall: (port) => `没有防火墙阻挡：TCP 端口 ${port}，以及用来发现彼此的 UDP 端口 5353。`,
    lending: '两边都已开启出借：只有愿意出借的人才能被请求帮忙。',
  },
};

export const requests: Catalogue['requests'] = {
  title: '求助',
  asks: (name) => `${name} 请你帮忙`,
  friend: '好友',
  stranger: '陌生人',
  file: '文件',
  unnamed: '文件名只告诉好友',
  unnamedShort: '一个文件',
  how: '方式',
  servers: () => '服务器',
  cost: '代价',
  upTo: (bytes) => `最多占用你的线路 ${bytes}`,
  address: (n) => (n === 1 ? '该服务器会看到你的地址。' : '这些服务器会看到你的地址。'),
  from: (servers) => `来自 ${servers}`,
  left: (duration) => `还有 ${duration}可以回答`,
  help: '帮忙',
  helpAlways: '总是帮助…',
  notNow: '暂时不',
  block: '屏蔽',
  offerBlock: '你已多次谢绝这台设备。如果觉得打扰，可以屏蔽它。',
  befriends: (name) => `如果帮忙，${name} 就会成为好友。`,
  waiting: (n) => `${n} 个等待你回答`,
  more: (n) => `还有 ${n} 个`,
  over: '这个求助已经结束，或者你同时帮助的人数已到上限。',
  nothingStored: '你的磁盘上不会存储任何内容，而且随时可以停止。',
  emptyTitle: '没有求助',
  emptyText: (rule) => `等待你回答的下载求助会显示在这里，每个等待一分钟。${rule}`,
  offTitle: '出借已关闭',
  offText: (rule) =>
    `关闭时没有人能请你帮忙。开启后，其他人可以请你经由你的线路获取文件的一部分。${rule}`,
};

export const helping: Catalogue['helping'] = {
  title: '正在帮助',
  withFile: (file) => `下载 ${file}`,
  unnamed: '下载一个没有告知名称的文件',
  from: (servers) => `来自 ${servers}`,
  sent: (sent, budget) => `${sent}，最多 ${budget}`,
  progress: (name) => `已发送给 ${name}`,
  stop: '停止',
  nothingStored: '数据只是经过：你的磁盘上不会存储任何内容。',
  emptyTitle: '此刻没有在帮助任何人',
  emptyText:
    '接受求助后，这台电脑会从服务器获取文件的一部分并立即转交。你的磁盘上不会存储任何内容，而且随时可以停止。',
};

export const ask: Catalogue['ask'] = {
  title: '请人帮忙',
  text: (name) =>
    `他们经由自己的线路带来 ${name} 的一部分。只转运加密连接的人得知服务器，代取的人得知链接。`,
  friend: '好友',
  stranger: '还不是好友',
  doesNotLend: '不出借带宽',
  notSo: '无法这样帮忙',
  how: (wish) => `帮忙的方式：${wish}`,
  before: (state) => `上次：${state}`,
  strangers: (names) =>
    `${names}：还不是好友。询问即表示他们可以得知这个链接；帮过忙之后就是好友了。`,
  strangersCarry: (names) =>
    `${names}：还不是好友。他们会得知服务器和大小，不会得知链接和内容；帮过忙之后就是好友了。`,
  and: (names) => names.join('、'),
  nobody: '此刻没有人可以询问。',
  submit: (n) => `询问 ${n} 人`,
  cancel: '取消',
  asked: '已询问',
  offer: (friends, others) => {
    if (others === 0) return `${friends} 位好友在线，可以帮忙。`;
    if (friends === 0) return `${others} 个其他人在线，可以帮忙。`;
    return `${friends} 位好友和 ${others} 个其他人在线，可以帮忙。`;
  },
};
