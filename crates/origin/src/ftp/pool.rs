//! Control connections that wait for their next transfer: a login costs several round trips.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::connection::Connection;

/// Servers end idle sessions after 1 to 10 minutes, and count them against a limit until then.
const KEPT_FOR: Duration = Duration::from_secs(20);
/// As many connections as two downloads may have; a further one is closed.
const MAX_KEPT: usize = 2 * manyhands_core::MAX_CONNECTIONS as usize;

/// Who is logged in where.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// With the port where it is not 21.
    pub(super) host: String,
    pub(super) user: String,
    pub(super) password: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Guards this list alone; the youngest is last.
    kept: Mutex<Vec<(Instant, Connection)>>,
}

impl Pool {
    /// The youngest connection to `server`.
    pub(super) fn take(&self, server: &Server) -> Option<Connection> {
        let mut kept = self.lock();
        kept.retain(|(since, _)| since.elapsed() < KEPT_FOR);
        let at = kept.iter().rposition(|(_, connection)| connection.server == *server)?;
        Some(kept.remove(at).1)
    }

    /// Keeps `connection` for a while. Outside a runtime, where nothing could close it later, it is closed at once.
    pub(super) fn put(self: &Arc<Self>, connection: Connection) {
        let Ok(runtime) = Handle::try_current() else { return };
        {
            let mut kept = self.lock();
            if kept.len() >= MAX_KEPT {
                return;
            }
            kept.push((Instant::now(), connection));
        }
        let pool = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(KEPT_FOR).await;
            if let Some(pool) = pool.upgrade() {
                pool.lock().retain(|(since, _)| since.elapsed() < KEPT_FOR);
            }
        });
    }

    /// Closes all connections to `server`: one was found dead.
    pub(super) fn forget(&self, server: &Server) {
        self.lock().retain(|(_, connection)| connection.server != *server);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Connection)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
