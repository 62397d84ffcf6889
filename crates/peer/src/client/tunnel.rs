//! Relay mode: a connection to an origin, over a helper's address.

use http::header::PROXY_AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use hyper_util::rt::TokioIo;
use manyhands_core::HelpId;
use manyhands_wire::OriginName;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{CallError, RemotePeer};
use crate::convert::request_id;

impl RemotePeer {
    /// A connection to `origin`, one of those of the relay request `id`, which the helper has
    /// accepted. What goes through it must be TLS with the origin's host in its hello, and nearly
    /// all of it must come down. Each tunnel is a connection of its own.
    ///
    /// # Errors
    /// [`CallError::Problem`] as of content: with an `origin-…` code it is the origin's doing, with
    /// `too-many` there are tunnels enough, after the time that it names there may be a new one.
    pub async fn tunnel(
        &self,
        id: HelpId,
        origin: &OriginName,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, CallError> {
        let target = format!("{}:{}", origin.host(), origin.port());
        let mut request = self.request(Method::CONNECT, &target)?;
        let token = HeaderValue::from_str(&format!("Bearer {}", request_id(id)))
            .map_err(|_| CallError::Nonsense("an id that HTTP does not allow"))?;
        request.headers_mut().insert(PROXY_AUTHORIZATION, token);
        let wait = self.inner.waits.content_head;
        let (response, _connection) = self.inner.send_alone(request, wait).await?;
        if response.status() != StatusCode::OK {
            return Err(self.problem(response).await);
        }
        match hyper::upgrade::on(response).await {
            Ok(tunnel) => Ok(TokioIo::new(tunnel)),
            Err(error) => Err(CallError::Lost(std::io::Error::other(error))),
        }
    }
}
