//! Relay mode: a TLS origin on loopback, helpers that connect to it or straight to the test, and
//! the hellos that requesters send.

use std::future::ready;
use std::io;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::*;

pub const HOST: &str = "example.org";

pub fn origin_name(url: &str) -> OriginName {
    OriginName::of(&Url::parse(url).unwrap()).unwrap()
}

/// Where [`Origin`] seems to be.
pub fn example() -> OriginName {
    origin_name("https://example.org/")
}

/// For example.org and one other.
pub fn relay_request(budget_bytes: u64) -> HelpRequest {
    let origins = vec![example(), origin_name("https://mirror.example.net:8443/")];
    HelpRequest {
        mode: Mode::Relay,
        origins: List::new(origins).unwrap(),
        ..help_request(budget_bytes)
    }
}

/// Rules by which every request is accepted.
pub fn willing() -> Rules {
    Rules { auto_accept_bytes: Some(u64::MAX), ..Rules::default() }
}

/// An accepted relay session with a [`willing`] helper.
pub async fn relay_session(peer: &RemotePeer, budget_bytes: u64) -> HelpId {
    let id = within(peer.ask(&relay_request(budget_bytes))).await.unwrap();
    let answer = within(peer.decision(id)).await.unwrap();
    assert!(matches!(answer, HelpAnswer::Accept { .. }), "{answer:?}");
    id
}

/// A TLS server. It answers each number that it is sent with so many of the bytes that
/// [`byte_at`] gives, and closes when its client does.
pub struct Origin {
    pub address: SocketAddr,
    /// For clients that trust it.
    pub client: Arc<ClientConfig>,
    /// Connections that it has now.
    pub live: Arc<watch::Sender<usize>>,
}

impl Origin {
    pub async fn start() -> Self {
        let names = vec![HOST.to_owned(), "mirror.example.net".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = Arc::new(client_config(roots));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, live) = (TlsAcceptor::from(Arc::new(config)), Arc::default());
        let counted: Arc<watch::Sender<usize>> = Arc::clone(&live);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, live) = (acceptor.clone(), counted.clone());
                live.send_modify(|live| *live += 1);
                tokio::spawn(async move {
                    Self::answer(acceptor, tcp).await.ok();
                    live.send_modify(|live| *live -= 1);
                });
            }
        });
        Self { address, client, live }
    }

    async fn answer(acceptor: TlsAcceptor, tcp: TcpStream) -> io::Result<()> {
        let mut stream = acceptor.accept(tcp).await?;
        let mut at = 0;
        loop {
            let count = match stream.read_u64().await {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            };
            let end = at + count;
            while at < end {
                let range = ByteRange::from_len(at, (end - at).min(BUFFER_BYTES));
                stream.write_all(&bytes_of(range)).await?;
                at = range.end();
            }
            stream.flush().await?;
        }
        stream.shutdown().await
    }
}

/// A helper that connects there, whatever the name, and does something to the bytes that come down.
pub struct ToOrigin {
    pub address: SocketAddr,
    pub lie: Option<Lie>,
}

/// What a helper that lies does with the byte at an offset.
#[derive(Clone, Copy, Debug)]
pub enum Lie {
    Flip(usize),
    Drop(usize),
}

impl ToOrigin {
    pub fn honest(origin: &Origin) -> Self {
        Self { address: origin.address, lie: None }
    }
}

impl TunnelSource for ToOrigin {
    fn connect(
        &self,
        _: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        let (address, lie) = (self.address, self.lie);
        async move {
            let tcp = TcpStream::connect(address).await.map_err(|_| FetchFailure::Unreachable)?;
            Ok(Box::new(Lying { tcp, lie, at: 0 }) as Box<dyn TunnelStream>)
        }
        .boxed()
    }
}

struct Lying {
    tcp: TcpStream,
    lie: Option<Lie>,
    at: usize,
}

impl AsyncRead for Lying {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        let (from, came) = (self.at, buffer.filled().len() - before);
        self.at += came;
        let here = |offset: usize| offset.checked_sub(from).filter(|offset| *offset < came);
        match self.lie {
            Some(Lie::Flip(offset)) => {
                if let Some(offset) = here(offset) {
                    buffer.filled_mut()[before + offset] ^= 1;
                }
            }
            Some(Lie::Drop(offset)) => {
                // Not where nothing else came: that would look like the end.
                if let Some(offset) = here(offset).filter(|_| came > 1) {
                    buffer.filled_mut().copy_within(before + offset + 1.., before + offset);
                    buffer.set_filled(before + came - 1);
                }
            }
            None => {}
        }
        result
    }
}

impl AsyncWrite for Lying {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A helper whose tunnels lead to the test: their far ends, with what was ordered.
pub struct ToTest(mpsc::Sender<(TunnelOrder, DuplexStream)>);

pub fn to_test() -> (ToTest, mpsc::Receiver<(TunnelOrder, DuplexStream)>) {
    let (sender, receiver) = mpsc::channel(128);
    (ToTest(sender), receiver)
}

impl TunnelSource for ToTest {
    fn connect(
        &self,
        order: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        let (near, far) = duplex(64 * 1024);
        self.0.try_send((order, far)).unwrap();
        ready(Ok(Box::new(near) as Box<dyn TunnelStream>)).boxed()
    }
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn client_config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A requester's own TLS inside a tunnel.
pub async fn tls<S>(tunnel: S, origin: &Origin) -> io::Result<client::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(HOST).unwrap();
    TlsConnector::from(origin.client.clone()).connect(name, tunnel).await
}

/// The first bytes of a client of `host`.
pub fn hello_with(host: &str, change: impl FnOnce(&mut ClientConfig)) -> Vec<u8> {
    let mut config = client_config(RootCertStore::empty());
    change(&mut config);
    first_bytes(config, host)
}

pub fn first_bytes(config: ClientConfig, host: &str) -> Vec<u8> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

pub fn hello() -> Vec<u8> {
    hello_with(HOST, |_| {})
}

/// Everything until the other side closes, in whatever way.
pub async fn rest_of(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    within(stream.read_to_end(&mut bytes)).await.ok();
    bytes
}
