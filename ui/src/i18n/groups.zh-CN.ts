import type { Catalogue } from './en';

export const noWays: Catalogue['noWays'] = {
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
};

export const serverTroubles: Catalogue['serverTroubles'] = {
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
      '本机加入的群组分布在超过 16 台服务器上，只使用其中 16 台。请退出某台不再需要的服务器上的群组。',
  },
};

export const groups: Catalogue['groups'] = {
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
    `服务器无法连接到本机：可能是本机的防火墙，也可能是途中的路由器。连接不上本机的成员会通过服务器请本机呼叫他们。在本机和路由器上放行 TCP 端口 ${port}，就不需要这样了。`,
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
};

export const join: Catalogue['join'] = {
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
};

export const make: Catalogue['make'] = {
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
};

export const invite: Catalogue['invite'] = {
  titleOf: (name) => `${name} 的邀请`,
  text: '拿到此链接或此图的人就是成员。只给你希望加入群组的人，不要公开发布。',
  qr: (name) => `${name} 的邀请二维码`,
  link: '链接',
  copy: '复制链接',
  copied: '已复制',
  rotate: '新的邀请…',
  close: '完成',
};

export const leave: Catalogue['leave'] = {
  title: (name) => `退出 ${name}？`,
  text: '你不再被列出，也看不到谁被列出。好友仍是好友。要再次加入需要邀请：如果没有其他人有这个链接，请保存好它。',
  confirm: '退出',
  cancel: '留下',
};

export const rotate: Catalogue['rotate'] = {
  title: (name) => `为 ${name} 生成新的邀请？`,
  text: '旧的邀请随之失效：只有旧邀请的人不再看到你，你也不再看到他们。群组里的其他人都需要从你这里得到新链接，所以这也是移除某人的办法。',
  confirm: '生成新的邀请',
  cancel: '保留旧的',
};
