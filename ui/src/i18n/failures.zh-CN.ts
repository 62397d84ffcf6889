import type { Catalogue } from './en';

export const failures: Catalogue['failures'] = {
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
};

export const whats: Catalogue['whats'] = {
  'link-empty': () => '链接是空的。',
  'link-long': () => '链接太长。',
  'link-space': () => '链接中有空格或换行。',
  'link-no-server': () => '链接中没有服务器。',
  scheme: ({ scheme }) => `以 ${scheme}: 开头的链接无法下载；可以下载 http:、https: 和 ftp: 链接。`,
  'path-relative': ({ path }) => `${path} 不是文件夹的完整路径。`,
  'file-name': ({ name }) => `“${name}”不能用作文件名。`,
  'header-shape': () => '请求头应写成“名称: 值”。',
  'header-name': ({ name }) => `“${name}”不能用作请求头的名称。`,
  'header-value': ({ name }) => `请求头 ${name} 中有无法发送的字符。`,
  'header-long': ({ name }) => `请求头 ${name} 太长。`,
  'header-ours': ({ name }) => `请求头 ${name} 由 Manyhands 自己设置。`,

  'name-not-found': ({ host }) => `找不到名称 ${host}。`,
  'address-refused': ({ host, address }) => `不允许连接 ${host} 的地址 ${address}。`,
  'no-answer': ({ host }) => `${host} 没有应答。`,
  'connection-refused': ({ host }) => `${host} 拒绝连接。`,
  unreachable: ({ host }) => `从此网络无法到达 ${host}。`,
  'not-connected': ({ host }) => `无法连接 ${host}。`,
  proxy: ({ host }) => `无法经由代理到达 ${host}。`,
  'proxy-ftp': ({ host }) => `${host} 使用 FTP，无法经由此代理到达。`,
  'certificate-name': ({ host }) => `无法与 ${host} 建立安全连接：它的证书属于另一个名称。`,
  'certificate-issuer': ({ host }) =>
    `无法与 ${host} 建立安全连接：它的证书不是由本机信任的机构签发的。`,
  'certificate-expired': ({ host }) => `无法与 ${host} 建立安全连接：它的证书已过期。`,
  'certificate-early': ({ host }) => `无法与 ${host} 建立安全连接：它的证书尚未生效。`,
  'certificate-revoked': ({ host }) => `无法与 ${host} 建立安全连接：它的证书已被吊销。`,
  'no-authorities': ({ host }) =>
    `无法与 ${host} 建立安全连接：本机没有可用来检查服务器证书的机构证书。`,
  'handshake-ended': ({ host }) => `无法与 ${host} 建立安全连接：对方中断了握手。`,
  'not-secure': ({ host, detail }) => `无法与 ${host} 建立安全连接：“${detail}”。`,
  missing: ({ host, status }) => `${host} 上没有这个文件（状态码 ${status}）。`,
  denied: ({ host, status }) => `${host} 不允许访问（状态码 ${status}）。`,
  busy: ({ host, status }) => `${host} 太忙（状态码 ${status}）。`,
  trouble: ({ host, status }) => `${host} 出现故障（状态码 ${status}）。`,
  'no-file': ({ host, status }) => `${host} 没有给出文件（状态码 ${status}）。`,
  'web-page': ({ host }) => `${host} 发来的是网页，而不是文件。`,
  'range-ignored': ({ host }) => `${host} 不支持分段，只发送整个文件。`,
  'length-changed': ({ host, before, now }) =>
    `${host} 上的文件现在是 ${now}，而不再是 ${before}。`,
  'tag-changed': ({ host }) => `${host} 上的文件已换成另一个（ETag 不同）。`,
  'time-changed': ({ host }) => `${host} 上的文件后来有过改动。`,
  'nothing-there': ({ host }) => `${host} 上的文件没有这一部分。`,
  'wrong-range': ({ host }) => `${host} 发来的不是所请求的部分。`,
  encoded: ({ host, encoding }) => `${host} 以“${encoding}”编码发送文件。`,
  'bad-answer': ({ host }) => `${host} 的应答没有意义。`,
  'redirect-loop': ({ host }) => `链接从 ${host} 开始循环跳转。`,
  'redirect-too-many': ({ host }) => `链接从 ${host} 开始跳转次数过多。`,
  'redirect-downgrade': ({ host }) => `链接从 ${host} 的安全连接转到不安全的连接。`,
  'redirect-scheme': ({ host }) => `链接从 ${host} 转到 http、https 和 ftp 以外的地方。`,
  'redirect-nowhere': ({ host }) => `链接从 ${host} 跳转，但没有给出去处。`,
  'not-agreed': ({ host }) => `链接从 ${host} 转到一台没有答应过的服务器。`,
  damaged: ({ host }) => `经由与 ${host} 的连接传来的数据在途中损坏。`,
  lost: ({ host }) => `与 ${host} 的连接中断。`,
  stalled: ({ host, seconds }) => `${host} 已有 ${seconds} 秒没有发来数据。`,

  'read-only': ({ path }) => `${path} 所在的磁盘是只读的。`,
  'no-permission': ({ path }) => `没有写入 ${path} 的权限。`,
  'no-folder': ({ path }) => `${path} 需要文件夹的地方已有一个文件。`,
  'name-long': ({ path }) => `名称对此磁盘来说太长：${path}`,
  'disk-full': ({ path }) => `${path} 已没有剩余空间。`,
  'file-gone': ({ path }) => `${path} 已经不在了。`,
  disk: ({ path, detail }) => `对 ${path} 的操作没有成功：“${detail}”。`,
  'no-room': ({ path, bytes, free }) => `文件有 ${bytes}，而 ${path} 只剩 ${free} 空间。`,
  'many-alike': ({ path, name }) => `${path} 中名为 ${name} 的文件太多。`,
  'part-changed': ({ path }) => `${path} 被其他程序改动过；它保持原样。`,
  'part-taken': ({ path }) => `${path} 被其他程序移走了。`,
  digest: ({ path, digest }) => `文件的 SHA-256 与给出的不同，是 ${digest}。文件保留为 ${path}。`,
  'not-saved': ({ detail }) => `无法保存下载的状态：“${detail}”。`,
  profile: ({ detail }) => `无法读写配置文件：“${detail}”。`,

  'device-blocked': ({ name }) => `${name} 已被屏蔽。`,
  'too-many-rules': ({ most }) => `已经有 ${most} 条规则。`,
  'too-many-blocked': ({ most }) => `已经屏蔽了 ${most} 台设备。`,
  'too-many-groups': ({ most }) => `已经有 ${most} 个群组。`,
  'too-many-hosts': () => '列表太长。',
  'group-nameless': () => '群组需要一个名称。',
  'not-a-host': ({ host }) => `“${host}”不是主机。`,
  'not-online': ({ name }) => `${name} 不在线。`,
  'nobody-at': ({ host, port }) => `${host} 的端口 ${port} 上没有 Manyhands 应答。`,
  'no-device': ({ who }) => `“${who}”既不是能找到的设备，也不是地址。`,
  'several-devices': ({ who }) => `以 ${who} 开头的设备不止一台：请填写更长的标识。`,
  'other-device': ({ name, found, expected }) =>
    `在 ${name} 原来的位置应答的是另一台设备：是 ${found}，而不是 ${expected}。可能是它的密钥换了，或者它的地址现在属于另一台设备，或者有人在冒充 ${name}。没有发送任何内容。`,
  itself: () => '这是本机自己的地址。',
  'paired-too-often': ({ name }) =>
    `最近十分钟内与 ${name} 的配对过多，或者现在正在进行的配对过多。`,
  'invite-none': () => '这不是邀请，或者不完整。',
  'invite-later': () => '此邀请由更新版本的 Manyhands 生成。',
  'invite-server': () => '服务器的地址没有意义。',
  'server-name': ({ server }) => `${server} 中的名称无法解析。`,
  'server-silent': ({ server }) => `${server} 没有应答。`,
  'server-other': ({ server }) => `在 ${server} 应答的不是预期的服务器。`,
  'server-none': ({ server }) => `在 ${server} 应答的不是会合服务器，或者版本不同。`,
  'server-clock': ({ server }) => `本机与 ${server} 的时钟相差太大。`,
  'server-busy': ({ server }) => `${server} 现在不接纳任何人，或者请求过多。`,
  'server-refuses': ({ server }) => `${server} 不接受本机所提供的信息。`,
  'server-plain': ({ server }) => `与 ${server} 的连接不会加密。`,
  'no-network': () => '无法与其他设备相见：没有网络。',

  'port-taken': ({ address }) => `已有其他程序在使用 ${address}。`,
  'no-port': ({ address, detail }) => `无法在 ${address} 上接受连接：“${detail}”。`,
  'no-key': ({ detail }) => `无法使用本机的密钥：“${detail}”。`,
  'no-start': ({ detail }) => `无法启动网络部分：“${detail}”。`,
};
