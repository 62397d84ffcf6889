//! From a TCP connection to requests.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, trace, warn};

use crate::address::{client_address, limit_key};
use crate::config::Config;
use crate::routes::{self, IsProblem, Refusal};
use crate::server::Shared;

/// What is kept of one connection in each direction; a batch of events may come on top of it.
const BUFFER_BYTES: usize = 64 * 1024;
/// Who has so much waiting has to take it within the time for slow readers: 2 KiB a second, as it is set.
const PORTION_BYTES: usize = 64 * 1024;
/// The head of a request has at most so many bytes; more is answered 431.
pub(crate) const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;
/// Handshakes under way. When all places are taken the oldest goes, so that half-open connections cannot keep others out.
const MAX_HANDSHAKES: usize = 1024;
/// What the system keeps for one connection in each direction: a reader that does not read holds no more.
const SOCKET_BUFFER_BYTES: u32 = 64 * 1024;
/// Connections that wait to be accepted: everybody may come back at once.
const BACKLOG: u32 = 4096;
/// After a failed accept, mostly for want of file descriptors: time for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections begin.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Plain,
    /// The certificate may be replaced while the server runs.
    Tls(watch::Receiver<Arc<ServerConfig>>),
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        // Whatever the system's default is.
        socket2::SockRef::from(&socket).set_only_v6(!address.ip().is_unspecified())?;
    }
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Connections have what the listening socket had.
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the server stops.
pub(crate) async fn serve(
    listener: TcpListener,
    transport: Transport,
    router: Router,
    shared: Arc<Shared>,
    admission: Arc<Admission>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        shared.counters.connections.add(1);
        // On a socket for both families IPv4 addresses come in their mapped form.
        let from = from.ip().to_canonical();
        let is_proxy = shared.config.trusted_proxies.iter().any(|net| net.contains(&from));
        let Some(place) = admission.enter(from, is_proxy) else {
            // Closed: answering would cost more than asking.
            shared.counters.connections_refused.add(1);
            continue;
        };
        let serving = one(stream, transport.clone(), router.clone(), shared.clone(), place);
        shared.tasks.spawn(serving);
    }
}

async fn one(
    stream: TcpStream,
    transport: Transport,
    router: Router,
    shared: Arc<Shared>,
    place: Place,
) {
    let kill = place.kill.clone();
    let talk = async {
        // Nagle's algorithm would hold back the last part of each answer.
        stream.set_nodelay(true).ok();
        let patience = shared.config.times.slow_reader;
        let result = match transport {
            Transport::Plain => {
                place.begun();
                http(WriteDeadline::new(stream, patience), &place, router, &shared).await
            }
            Transport::Tls(config) => {
                let config = config.borrow().clone();
                let handshake = Box::pin(TlsAcceptor::from(config).accept(stream));
                let stream = match tokio::time::timeout(shared.config.times.handshake, handshake)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                {
                    Ok(stream) => stream,
                    Err(error) => {
                        shared.counters.handshakes_failed.add(1);
                        let address = shared.loggable(place.address);
                        return debug!(%address, %error, "no handshake");
                    }
                };
                shared.counters.handshakes.add(1);
                place.begun();
                http(WriteDeadline::new(stream, patience), &place, router, &shared).await
            }
        };
        if let Err(error) = result {
            trace!(address = %shared.loggable(place.address), %error, "connection closed");
        }
    };
    kill.run_until_cancelled(talk).await;
}

/// Answers requests until the connection closes.
async fn http<S>(
    stream: S,
    place: &Place,
    router: Router,
    shared: &Arc<Shared>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = place.address;
    let is_known = Arc::new(AtomicBool::new(place.counted.is_none()));
    let known = is_known.clone();
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let (router, shared, is_known) = (router.clone(), shared.clone(), known.clone());
        async move {
            let began = Instant::now();
            let Config { trusted_proxies, proxy_header, .. } = &shared.config;
            let from = client_address(peer, request.headers(), *proxy_header, trusted_proxies);
            request.extensions_mut().insert(from);
            let path = request.uri().path();
            let is_public = routes::PUBLIC.contains(&path);
            let waits = path == "/v1/changes";
            let answer = if shared.stop.is_cancelled() && path != "/healthz" {
                Ok(Refusal(shared.turned_away(Duration::from_secs(2))).into_response())
            } else {
                router.oneshot(request.map(Body::new)).await
            };
            shared.counters.requests.add(1);
            if let Ok(answer) = &answer
                && answer.extensions().get::<IsProblem>().is_some()
            {
                shared.counters.problems.add(1);
            }
            if let Ok(answer) = &answer
                && !is_public
                && answer.status().is_success()
            {
                is_known.store(true, Ordering::Relaxed);
            }
            if !waits {
                shared.counters.request_times.add(began.elapsed());
            }
            answer
        }
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.times.idle)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let newcomer = async {
        tokio::time::sleep(shared.config.times.newcomer).await;
        if is_known.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        done = &mut connection => done,
        // Places are for those who have a session: without one they would cost nothing to hold.
        () = newcomer => {
            Pin::new(&mut connection).graceful_shutdown();
            match tokio::time::timeout(shared.config.times.body, &mut connection).await {
                Ok(done) => done,
                // What was under way has opened a stream, after all.
                Err(_) if is_known.load(Ordering::Relaxed) => connection.await,
                Err(_) => Ok(()),
            }
        }
        () = shared.stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    }
}

/// The connections that are open. The lock guards the tables and is never held over an await.
#[derive(Debug)]
pub(crate) struct Admission {
    max: usize,
    max_per_address: usize,
    /// The parent of every connection's.
    kill: CancellationToken,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// Each until its handshake is done.
    beginning: BTreeMap<u64, CancellationToken>,
    open: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    number: u64,
    address: IpAddr,
    counted: Option<IpAddr>,
    kill: CancellationToken,
}

impl Admission {
    pub(crate) fn new(max: u32, max_per_address: u32) -> Self {
        let (max, max_per_address) = (max as usize, max_per_address as usize);
        Self { max, max_per_address, kill: CancellationToken::new(), places: Mutex::default() }
    }

    /// A place for somebody at `address`; behind a proxy there are many.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, is_proxy: bool) -> Option<Place> {
        let counted = (!is_proxy).then(|| limit_key(address));
        let mut places = self.lock();
        let of_address = counted.and_then(|key| places.by_address.get(&key)).copied();
        if places.open >= self.max || of_address.unwrap_or(0) >= self.max_per_address {
            return None;
        }
        if places.beginning.len() >= MAX_HANDSHAKES
            && let Some((_, oldest)) = places.beginning.pop_first()
        {
            oldest.cancel();
        }
        let (number, kill) = (places.next, self.kill.child_token());
        places.next += 1;
        places.open += 1;
        places.beginning.insert(number, kill.clone());
        if let Some(key) = counted {
            *places.by_address.entry(key).or_default() += 1;
        }
        Some(Place { admission: self.clone(), number, address, counted, kill })
    }

    pub(crate) fn open(&self) -> usize {
        self.lock().open
    }

    /// Ends all connections at once, and those that would still come.
    pub(crate) fn close_all(&self) {
        self.kill.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The handshake is done: the place is not one of those that make room.
    fn begun(&self) {
        self.admission.lock().beginning.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.admission.lock();
        places.beginning.remove(&self.number);
        places.open -= 1;
        if let Some(key) = self.counted {
            let left = places.by_address.get_mut(&key).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                places.by_address.remove(&key);
            }
        }
    }
}

/// A stream on which nothing may wait for longer than `patience`: neither what is left until all is written, nor a portion of much.
struct WriteDeadline<S> {
    inner: S,
    patience: Duration,
    /// While something waits.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Since the deadline was set.
    written: usize,
}

impl<S> WriteDeadline<S> {
    fn new(inner: S, patience: Duration) -> Self {
        Self { inner, patience, deadline: None, written: 0 }
    }

    /// A byte now and then is not enough.
    fn check_write(
        &mut self,
        result: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(Ok(written)) = result else { return self.check(result, cx) };
        self.written += written;
        if self.written >= PORTION_BYTES {
            (self.deadline, self.written) = (None, 0);
        }
        result
    }

    fn check<T>(
        &mut self,
        result: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            (self.deadline, self.written) = (None, 0);
            return result;
        }
        let patience = self.patience;
        if self.deadline.is_none() {
            self.written = 0;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, data);
        self.check_write(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.check_write(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.check(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.check(result, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[test]
    fn places_are_bounded_by_address_and_in_all_and_come_back() {
        let admission = Arc::new(Admission::new(10, 4));
        let campus: Vec<_> = (0..6).filter_map(|_| admission.enter(address(1), false)).collect();
        assert_eq!(campus.len(), 4);
        let proxy: Vec<_> = (0..9).filter_map(|_| admission.enter(address(2), true)).collect();
        assert_eq!(proxy.len(), 6, "a proxy is many, but not more than all");
        drop((campus, proxy));
        assert!(admission.enter(address(1), false).is_some());
        assert!(admission.lock().by_address.is_empty());
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn half_open_connections_make_room_the_oldest_first() {
        let admission = Arc::new(Admission::new(10_000, 10_000));
        let enter = || admission.enter(address(1), false).unwrap();
        let done = enter();
        done.begun();
        let slow: Vec<_> = (0..MAX_HANDSHAKES + 3).map(|_| enter()).collect();
        let gone = slow.iter().filter(|place| place.kill.is_cancelled()).count();
        assert_eq!(gone, 3);
        assert!(slow[..3].iter().all(|place| place.kill.is_cancelled()));
        assert!(!done.kill.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_no_byte_is_given_up() {
        let (near, _far) = tokio::io::duplex(8);
        let mut stream = WriteDeadline::new(near, Duration::from_secs(30));
        let began = Instant::now();
        let error = stream.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_now_and_then_is_given_up_too_and_who_takes_enough_is_not() {
        use tokio::io::AsyncReadExt;
        for (portion, pause, is_cut) in [(1, 1, true), (4096, 1, false)] {
            let (near, mut far) = tokio::io::duplex(4096);
            let mut stream = WriteDeadline::new(near, Duration::from_secs(30));
            let reader = tokio::spawn(async move {
                let mut taken = vec![0; portion];
                while far.read_exact(&mut taken).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                }
            });
            let began = Instant::now();
            let written = stream.write_all(&vec![0; 512 * 1024]).await;
            assert_eq!(written.is_err(), is_cut, "{portion}");
            let expected = if is_cut { 30..=31 } else { 100..=130 };
            assert!(expected.contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
            reader.abort();
        }
    }
}
