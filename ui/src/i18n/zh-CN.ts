import type { Catalogue } from './en';

/** Simplified Chinese. */
export const zhCN: Catalogue = {
  locale: 'zh-CN',
  self: '简体中文',

  units: {
    bytes: ['B', 'kB', 'MB', 'GB', 'TB'],
    perSecond: '/秒',
    seconds: (n) => `${n} 秒`,
    minutes: (n) => `${n} 分钟`,
    hours: (h, min) => `${h} 小时 ${min} 分`,
    days: (d, h) => `${d} 天 ${h} 小时`,
  },

  toolbar: {
    addUrl: '添加链接',
    pauseAll: '全部暂停',
    resumeAll: '全部继续',
    throughput: '所有下载的总速度',
    search: '搜索下载',
    askFriends: '请好友帮忙',
    askFriendsHelp: '请其他人帮忙下载所选文件',
    askNobody: '请选中一个正在进行的下载，并且有其他人在线',
    lent: (throughput) => `借出 ${throughput}`,
    lentHelp: '其他人此刻经由你的线路得到的数据',
  },
  sidebar: {
    downloads: '下载',
    together: '协作',
    friends: '好友',
    requests: '求助',
    helping: '正在帮助',
    online: '当前在线',
    settings: '设置',
    label: '显示内容',
    alone: '独自工作',
  },
  filters: { all: '全部', active: '进行中', queued: '等待中', done: '已完成' },
  actions: { pause: '暂停', resume: '继续', remove: '移除', open_folder: '在文件夹中显示' },
  states: {
    queued: '等待中',
    connecting: '正在连接',
    downloading: '正在下载',
    finishing: '正在收尾',
    paused: '已暂停',
    completed: '完成',
    failed: '失败',
  },
  verifications: {
    verified: '已校验',
    'from-server': '来自服务器，未经改动',
    consistent: '一致',
    unchecked: '未校验',
  },
  verificationHelp: {
    verified: '整个文件与事先给出的 SHA-256 相符。',
    'from-server': '每个字节都经加密连接来自服务器：要么是你自己的连接，要么由帮手转运而无法改动。',
    consistent: '服务器的所有应答都指同一个文件，但无法证明其内容。',
    unchecked: '服务器没有提供任何可用于校验文件的信息。',
  },
  failures: {
    'bad-url': {
      title: '这不是链接',
      hint: '请检查链接，它应当形如 https://example.org/file。',
    },
    'unknown-scheme': {
      title: '无法下载这种链接',
      hint: '可以下载以 http、https 或 ftp 开头的链接。',
    },
    'bad-name': {
      title: '不能用作文件名',
      hint: '请使用不含斜杠和其他特殊字符的名称。',
    },
    'bad-digest': {
      title: '这不是 SHA-256',
      hint: '请粘贴完整的 SHA-256：64 个数字或字母 a 到 f。',
    },
    'bad-header': {
      title: '这不是可以发送的请求头',
      hint: '请每行写一个请求头，例如 Cookie: name=value。',
    },
    'not-found': {
      title: '服务器上没有这个文件',
      hint: '请检查链接，或到原网页上找更新的链接。',
    },
    'refused-by-server': {
      title: '服务器拒绝访问',
      hint: '服务器要求登录或不允许下载。请在浏览器中打开网页，重新复制链接。',
    },
    'server-error': { title: '服务器出错', hint: '服务器出现故障，请稍后再试。' },
    'server-busy': {
      title: '服务器繁忙',
      hint: '服务器请求稍候。请稍后再试，或减少连接数。',
    },
    'name-not-found': {
      title: '找不到服务器',
      hint: '请检查服务器名称的拼写和网络连接。',
    },
    'cannot-connect': {
      title: '无法连接服务器',
      hint: '请检查网络连接；服务器也可能已停机。请稍后再试。',
    },
    tls: {
      title: '连接不安全',
      hint: '无法信任服务器的证书。请检查本机时钟和链接。',
    },
    interrupted: {
      title: '连接中断',
      hint: '已下载的部分已保留。重新开始即可接着下载。',
    },
    redirects: {
      title: '链接无法到达',
      hint: '链接循环跳转，或指向不允许的地址。请另找链接。',
    },
    'bad-answer': {
      title: '服务器的应答无法理解',
      hint: '服务器的应答没有意义。请重试，或另找链接。',
    },
    changed: {
      title: '服务器上的文件已改变',
      hint: '重新开始将从头下载新文件；已下载的部分属于旧文件。',
    },
    'disk-full': {
      title: '磁盘已满',
      hint: '请腾出磁盘空间后重新开始：已下载的部分已保留。',
    },
    folder: {
      title: '无法写入文件夹',
      hint: '请选择其他文件夹，或更改此文件夹的写入权限。',
    },
    'part-lost': {
      title: '未完成的文件不见了',
      hint: '请重新开始下载，它将从头进行。',
    },
    'wrong-digest': {
      title: 'SHA-256 不相符',
      hint: '文件已保留在旁边，名为 NAME.mismatch。请检查校验值，或重新下载。',
    },
    paused: { title: '已暂停', hint: '需要其余部分时请继续：已下载的部分已保留。' },
    removed: { title: '已移除', hint: '如果仍需要该文件，请重新添加链接。' },
    profile: {
      title: '无法保存下载列表',
      hint: '请为配置文件所在的磁盘腾出空间或检查其权限，然后重新开始下载。',
    },
    'no-host': {
      title: '这不是主机名',
      hint: '请填写 example.org 这样的名称或地址，不要带 https://，也不要带名称后面的部分。',
    },
    'too-many': {
      title: '数量过多',
      hint: '请去掉一些不再需要的。',
    },
    blocked: {
      title: '该设备已被屏蔽',
      hint: '请先解除对该设备的屏蔽。',
    },
    'peer-not-found': {
      title: '找不到这台设备',
      hint: '请确认那里正在运行 Manyhands，且两者之间没有东西阻挡它的端口；或者填写它的地址。',
    },
    'other-key': {
      title: '那里应答的是另一台设备',
      hint: '请不要通过此网络，直接询问好友密钥是否换过。如果换过，请移除好友后重新配对，并比对两边屏幕上的数字。',
    },
    'pairing-refused': { title: '配对请求过于频繁', hint: '请等十分钟后再试。' },
    'bad-invite': {
      title: '这不是邀请',
      hint: '请复制完整的邀请，从 manyhands://join? 到末尾，或者请对方重新发送。',
    },
    'no-group': {
      title: '没有这个群组',
      hint: '请查看你的群组列表。',
    },
    'no-rendezvous': {
      title: '那里没有会合服务器应答',
      hint: '请填写会合服务器启动时显示的地址，例如 https://rendezvous.example.org:8470。',
    },
    'server-key': {
      title: '那里应答的是另一台服务器',
      hint: '请询问服务器的管理者密钥是否换过。如果换过，需要新的邀请；如果没有，就是有人在冒充该服务器。',
    },
    clock: {
      title: '时钟相差过大',
      hint: '请校准此电脑的时钟：日期、时间和时区。',
    },
    'plain-http': {
      title: '服务器的地址没有加密',
      hint: '请索要以 https:// 开头的地址。如果加密由其他方式保证，请用 --insecure-http 启动程序。',
    },
    internal: {
      title: 'Manyhands 内部出错',
      hint: '这是 Manyhands 的错误，请报告给我们；已下载的部分已保留。',
    },
  },

  helpStates: {
    asked: '已询问',
    accepted: '正在帮忙',
    declined: '暂时不行',
    expired: '没有回答',
    lost: '联系不上',
    ended: '已停止',
  },
  helpReasons: {
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
  },
  modes: { relay: '转运', fetch: '代取' },
  modeHelp: {
    relay: '转运你的加密连接；既看不到也改不了其中的内容。',
    fetch: '替你下载一部分并转交给你。',
  },
  learns: { relay: '会得知服务器和大小', fetch: '会得知链接' },
  modeAsks: {
    relay: '你的电脑转运一条加密连接：你既看不到也改不了其中的内容。',
    fetch: '你的电脑以你的名义下载，并转交给对方。',
  },
  pairingStates: {
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
  },
  accepts: { ask: '每次问我', friends: '好友直接帮', all: '所有人直接帮' },
  acceptHelp: {
    ask: '每个求助都由你决定。',
    friends: '好友求助时直接帮忙；陌生人仍需先问你。',
    all: '此网络上和群组里的任何人求助时都直接帮忙，不再询问。',
  },
  asks: { none: '不请', friends: '好友', everyone: '所有人' },
  askHelp: {
    none: '以后仍可在下载的详情里请人帮忙。',
    friends:
      '会询问愿意出借带宽的好友。https 时他们尽可能转运你的加密连接；无法转运的好友在给出 SHA-256 时会得知链接。http 或 ftp 链接他们会得知。含有“?”的链接不会自动告诉任何人。',
    everyone:
      '也会询问此网络上和群组里的陌生人。https 时他们只转运你的加密连接；http 或 ftp 链接仅在给出 SHA-256 时才会让他们得知。带有登录信息时只请好友转运。',
  },

  meetings: { automatic: '自动', lan_only: '仅本网络', server_only: '仅群组' },
  meetingHelp: {
    automatic: '在此网络上以多播寻找，并在你加入的群组里寻找路由器之外的人。',
    lan_only: '只在此网络上以多播寻找。没有服务器会知道本机；路由器另一侧的人找不到。',
    server_only: '只在你的群组里寻找。不在此网络上公布任何信息。',
  },
  noWays: {
    no_answer: {
      short: '已列出，但没有应答',
      title: '已列出，但没有应答',
      text: (port) =>
        `可能是对方电脑的防火墙拦下了呼叫：请在那里允许 Manyhands 使用 TCP 端口 ${port}。也可能是你们其中一方的 Wi-Fi 把设备彼此隔开，访客网络和校园网往往如此：换用网线或另一个 Wi-Fi 即可。`,
    },
    refused: {
      short: '已列出，但对方电脑拒绝',
      title: '已列出，但对方电脑拒绝',
      text: (port) =>
        `很可能 Manyhands 刚在那里退出，几分钟内就会从列表中消失。如果它仍在运行，则是那台电脑的防火墙拒绝了 TCP 端口 ${port}：请允许 Manyhands。`,
    },
    no_route: {
      short: '已列出，但没有通路',
      title: '已列出，但从这里没有通路',
      text: () =>
        '你们的网络没有连通，或者一方只有 IPv6 而另一方只有 IPv4。使用同一个校园网或 VPN 即可。',
    },
    other_device: {
      short: '已列出，但应答的是另一台设备',
      title: '已列出，但应答的是另一台设备',
      text: () =>
        '该地址现在属于另一台设备，或者有人在冒充。没有向它发送任何内容。新地址列出后会自行恢复；如果没有，请在那里重新启动 Manyhands。',
    },
    no_address: {
      short: '已列出，但没有地址',
      title: '已列出，但没有地址',
      text: (_port, own) =>
        `对方电脑没有可以呼叫的地址，但仍可以呼叫你：请确认你自己的防火墙允许 Manyhands 使用 TCP 端口 ${own}。`,
    },
  },
  serverTroubles: {
    unknown_name: {
      title: '服务器的名称无法解析',
      text: () =>
        '请检查网络连接。如果网络正常，请询问服务器的管理者：名称若有更改，每个人都需要新的邀请。',
    },
    no_answer: {
      title: '服务器没有应答',
      text: (port) =>
        `它可能已停机，或者途中有东西阻挡 TCP 端口 ${port}。正在进行的下载不会因此停止，地址已知的好友仍能联系。`,
    },
    other_key: {
      title: '那里应答的是另一台服务器',
      text: () =>
        '它没有邀请中所说的密钥，因此不会得知本机在哪里。请询问服务器的管理者：如果是重新安装的，需要新的邀请；否则有人在冒充它。Wi-Fi 的登录页面也会造成这种情况：请先打开任意网页。',
    },
    no_server: {
      title: '那里应答的不是会合服务器',
      text: () => '它可能是另一个版本，或者没有启动。请询问其管理者，并确认 Manyhands 是最新版本。',
    },
    clock: {
      title: '时钟相差太多',
      text: () => '本机与服务器的时间相差数分钟。请让两边的系统自动设置时间。',
    },
    busy: {
      title: '服务器繁忙',
      text: () => '它现在不接纳任何人。',
    },
    refused: {
      title: '服务器拒绝本机',
      text: () =>
        '它不接受本机所提供的信息。请确认 Manyhands 是最新版本；如果是，请询问服务器的管理者。',
    },
    plain_http: {
      title: '连接不会加密',
      text: () =>
        '服务器的地址以 http:// 开头。请向其管理者索要以 https:// 开头的地址。如果加密由其他方式保证，请用 --insecure-http 启动 Manyhands。',
    },
    too_many: {
      title: '这个群组没有使用',
      text: () =>
        '本机加入的群组涉及太多服务器，或者同一台服务器上的群组太多。请退出不再需要的群组。',
    },
  },

  list: {
    label: '下载',
    of: (done, total) => `${done} / ${total}`,
    left: (duration) => `剩余 ${duration}`,
    progress: (name) => `${name} 的进度`,
    more: (name) => `${name} 的更多操作`,
    you: '你',
    sha256: 'SHA-256',
    loading: '正在载入',
    connecting: '正在询问服务器',
    trying: '正在重试',
  },

  empty: {
    title: '粘贴链接即可开始',
    text: '在任何地方复制文件的链接，然后在这里按 Ctrl+V。也可以把链接拖放到此窗口。',
    action: '添加链接',
    nothing: '这里什么都没有',
    nothingOf: {
      all: '没有下载。',
      active: '当前没有正在进行的下载。',
      queued: '没有等待、暂停或失败的下载。',
      done: '还没有完成的下载。',
    },
    noMatch: (search) => `没有与“${search}”匹配的下载。`,
  },

  add: {
    title: '添加下载',
    links: '链接',
    linksHelp: '每行一个：http、https 或 ftp',
    linksPlaceholder: 'https://example.org/file.iso',
    count: (n) => `${n} 个链接`,
    folder: '文件夹',
    browse: '浏览…',
    folderRelative: '请填写以 / 开头的完整路径。',
    more: '更多选项',
    name: '文件名',
    nameHelp: '留空则使用服务器给出的名称',
    nameSingle: '仅用于单个链接',
    sha256: 'SHA-256',
    sha256Help: '64 个数字或字母 a 到 f；文件完成后据此校验',
    connections: '到服务器的连接数',
    connectionsHelp: '上限；更多连接无益时会少开',
    submit: (n) => (n <= 1 ? '下载' : `下载 ${n} 个文件`),
    headers: '请求头',
    headersPlaceholder: 'Cookie: session=…',
    headersHelp: '每行一个“名称: 值”，例如登录的 Cookie。仅发给链接所在的服务器：帮手永远看不到。',
    badHeader: (line, text) => `请求头第 ${line} 行不是“名称: 值”：${text}`,
    severalHosts: '请求头只用于一个服务器，而这些链接通向多个。请分开添加。',
    login: '链接中带有登录信息。它只留在这台电脑上：没有帮手会得知。',
    cancel: '取消',
    badLine: (line, text) =>
      `第 ${line} 行不是可下载的链接：${text}。链接应以 http://、https:// 或 ftp:// 开头。`,
    noLinks: '请至少粘贴一个链接。',
    tooMany: (max) => `一次最多 ${max} 个链接。`,
    ask: '请人帮忙',
    partly: (added, left) => `已添加 ${added} 个，以下 ${left} 个未添加：`,
  },

  remove: {
    title: (name) => `移除 ${name}？`,
    text: (bytes) => `它尚未完成。已下载的 ${bytes} 将被删除。`,
    confirm: '移除',
    cancel: '保留',
  },

  details: {
    label: '详情',
    overview: '概览',
    log: '日志',
    file: '文件',
    close: '关闭详情',
    resize: '详情的高度',
    pieces: '分块',
    piecesOf: (count, size) => `${count} 块，每块 ${size}`,
    piecesUnknown: '服务器没有说明文件的长度。',
    pieceMap: (percent) => `分块图，已有 ${percent}，颜色表示由谁带来`,
    cell: (percent, who) => `${percent} · ${who}`,
    nobody: '尚无',
    throughput: '速度',
    graph: (now) => `最近两分钟各来源的速度，现在 ${now}`,
    past: (duration) => `${duration}前`,
    now: '现在',
    noHistory: '最近两分钟没有数据',
    sources: '来源',
    you: '你',
    ownLine: '自己的线路',
    helper: '帮手',
    connections: (n) => `${n} 个连接`,
    noSources: '尚无来源',
    noLog: '还没有发生任何事。',
    url: '链接',
    path: '保存为',
    size: '大小',
    sizeUnknown: '尚不清楚',
    state: '状态',
    check: '校验',
    time: '用时',
    digest: 'SHA-256',
    login: '带登录信息添加…',
    loginHelp: '如果网页需要登录，请从浏览器复制它的 Cookie，带上它重新添加链接。',
  },

  limits: {
    address: '更多连接也不会更快：这是服务器或你的线路的上限。',
    connections: '服务器拒绝更多连接。',
  },

  lending: {
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
  },

  terms: {
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
  },

  rules: {
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
  },

  pairing: {
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
  },

  block: {
    title: (name) => `屏蔽 ${name}？`,
    text: (name) =>
      `${name} 不能再向你求助，你也不会询问它；你们之间正在进行的会立即结束，好友关系和规则也随之结束。可以在“好友”的“规则”中取消屏蔽。`,
    confirm: '屏蔽',
    cancel: '取消',
  },
  removeFriend: {
    title: (name) => `从好友中移除 ${name}？`,
    text: (name) =>
      `${name} 重新成为陌生人：它必须像其他人一样先询问，规则和配对都会消失。你对它的帮助会结束，它对你下载的帮助也会结束。`,
    confirm: '移除好友',
    cancel: '保留',
  },

  friends: {
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
  },

  groups: {
    tab: '群组',
    intro:
      '在群组里，人们可以跨过路由器找到彼此。会合服务器保存谁在线的列表；它不会得知链接和文件，下载的数据也不经过它。',
    join: '加入群组…',
    make: '创建群组…',
    emptyTitle: '你没有加入任何群组',
    invite: '显示邀请',
    more: (name) => `${name} 的更多操作`,
    menu: { rotate: '新的邀请…', leave: '退出群组…' },
    unnamed: '没有名称的群组',
    off: '未使用',
    connecting: '正在连接',
    online: '已连接',
    trouble: '未连接',
    offText: '按照设置，只在此网络上寻找其他人。',
    change: '设置…',
    retry: (duration) => `${duration}后重试。`,
    retryNow: '正在重试。',
    stillKnown: '上次列出的人：',
    reached: (reached, listed) => `${listed} 人中已联系 ${reached} 人`,
    notCallable: (port) =>
      `服务器无法连接到本机。同样连接不上的人会请本机呼叫他们；在防火墙中放行 TCP 端口 ${port} 会有帮助。`,
    nobody: '此刻没有列出其他人。有邀请并且在线的人会出现在这里。',
    members: (name) => `${name} 的成员`,
    member: {
      reached: '已联系',
      called: '对方呼叫了本机',
      trying: '正在呼叫',
      listed: '已列出',
      ringing: '已请对方呼叫本机',
    },
    friend: '好友',
    stranger: '还不是好友',
    troubleOf: (group, trouble) => `群组 ${group}：${trouble}`,
    look: '查看',
    and: (names) => names.join('、'),
    wrong: '没有成功。',
    cancel: '取消',
    server: '服务器',
    serverId: '服务器标识',
    plain:
      '与此服务器的连接没有加密：途中的人可以看到谁在线、从哪里在线。即便如此，也没有人能冒充他人。',
  },

  join: {
    title: '加入群组',
    titleOf: (name) => `加入 ${name}？`,
    field: '邀请',
    fieldHelp: '由群组里的人给你：以 manyhands:// 开头的链接',
    group: '群组',
    seenAs: '显示为',
    sees: (name) =>
      `群组里的人会看到本机何时在线、它的名称“${name}”和它的地址，并且可以向你求助。服务器会看到你何时、从哪里在线。`,
    notUsed: '按照设置，只在此网络上寻找其他人：更改之前，在群组里找不到任何人。',
    submit: '加入',
    joined: (name) => `你已加入 ${name}`,
    joinedText: '在线的人马上就会出现。',
    noNetwork: '群组需要网络，而现在无法使用。',
    wrong: {
      'no-invite': '这不是邀请。它以 manyhands://join? 开头，需要完整复制。',
      'later-version': '此邀请由更新版本的 Manyhands 生成：请更新本程序。',
      'bad-server': '邀请中的服务器没有意义。请索取新的邀请。',
    },
  },

  make: {
    title: '创建群组',
    text: '需要一台会合服务器：你的学校里有人运行，或者你自己在大家都能访问的电脑上启动 manyhands-rendezvous。',
    name: '名称',
    nameHelp: '成员会看到它',
    address: '服务器地址',
    addressHelp: '例如 rendezvous.example.edu 或 10.8.0.5:8470',
    next: '下一步',
    looking: '正在询问服务器…',
    checkTitle: '是这台服务器吗？',
    checkText:
      '请将此标识与服务器启动时显示的标识比对。如果不同，说明有人夹在你和服务器之间：请返回。',
    publicCertificate: '它的证书也像网站的证书一样经过检查。',
    back: '返回',
    submit: '相同，创建群组',
  },

  invite: {
    titleOf: (name) => `${name} 的邀请`,
    text: '拿到此链接或此图的人就是成员。只给你希望加入群组的人，不要公开发布。',
    qr: (name) => `${name} 的邀请二维码`,
    link: '链接',
    copy: '复制链接',
    copied: '已复制',
    rotate: '新的邀请…',
    close: '完成',
  },

  leave: {
    title: (name) => `退出 ${name}？`,
    text: '你不再被列出，也看不到谁被列出。好友仍是好友。要再次加入需要邀请：如果没有其他人有这个链接，请保存好它。',
    confirm: '退出',
    cancel: '留下',
  },
  rotate: {
    title: (name) => `为 ${name} 生成新的邀请？`,
    text: '旧的邀请随之失效：只有旧邀请的人不再看到你，你也不再看到他们。群组里的其他人都需要从你这里得到新链接，所以这也是移除某人的办法。',
    confirm: '生成新的邀请',
    cancel: '保留旧的',
  },

  requests: {
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
  },

  helping: {
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
  },

  ask: {
    title: '请人帮忙',
    text: (name) =>
      `他们经由自己的线路带来 ${name} 的一部分。只转运加密连接的人得知服务器，代取的人得知链接。`,
    friend: '好友',
    stranger: '还不是好友',
    doesNotLend: '不出借带宽',
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
  },

  quit: {
    title: '退出 Manyhands？',
    text: '没有系统托盘可以停留。下载会停止，下次启动时继续。',
    helping: (n) => `你正在帮助 ${n} 个人；他们会在没有你的情况下继续。`,
    confirm: '退出',
    cancel: '继续运行',
  },

  logLines: {
    'Waits for its turn.': '等待轮到它。',
    'Asks the server.': '询问服务器。',
    'Downloads.': '正在下载。',
    'All bytes are there; finishes the file.': '所有字节已到齐，正在收尾。',
    'Paused.': '已暂停。',
    'Completed.': '完成。',
    'Failed.': '失败。',
  },

  settings: {
    title: '设置',
    appearance: '外观',
    themes: { system: '跟随系统', light: '浅色', dark: '深色' },
    language: '语言',
    languageSystem: '跟随系统',
    meeting: '在哪里寻找其他人',
    meetingNoGroup: '你没有加入任何群组：这样找不到任何人。',
    close: '完成',
  },

  notices: {
    dropHere: '拖放要下载的链接或邀请',
    noLinks: '粘贴的内容里没有链接。',
    noLinksDropped: '拖放的内容里没有链接。',
    noLinkBrought: '用来打开 Manyhands 的内容既不是邀请也不是链接。',
    cannotShow: '无法在文件夹中显示文件',
    alone: 'Manyhands 独自工作',
    aloneText: (why) => `无法与其他人相见：${why}`,
    nobodyThere: '还没有人在线',
    nobodyThereText: '一分钟内出现的人会被询问。',
    nobodyAsked: '已经没有人可以询问了。',
    lost: 'Manyhands 没有响应了。请关闭窗口后重新启动。',
    close: '关闭',
  },
};
