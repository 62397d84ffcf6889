//! Systems where notifications have no buttons, and nothing tells what the user does with them.

use notify_rust::error::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Answer, Card, MAX_WAIT, notification};

/// Shows one card. The system closes it.
pub async fn show(card: Card, _over: oneshot::Receiver<()>) -> Result<Option<Answer>, Error> {
    let showing = tokio::task::spawn_blocking(move || notification(&card).show().map(|_| ()));
    match timeout(MAX_WAIT, showing).await {
        Ok(Ok(shown)) => shown.map(|()| None),
        // It does not answer, or its library has panicked.
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}
