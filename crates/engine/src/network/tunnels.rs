//! The helper's side of relay mode: bare connections to the servers that were agreed to.

use futures_util::future::BoxFuture;
use manyhands_origin::Origins;
use manyhands_peer::{FetchFailure, TunnelOrder, TunnelSource, TunnelStream};

use crate::network::lending::failure;
use crate::network::together::origin_url;

/// Connects for others, past no proxy, and only to addresses that the guard lets through at that moment.
#[derive(Debug)]
pub struct HelperTunnels {
    origins: Origins,
}

impl HelperTunnels {
    /// `origins` have the guard.
    pub fn new(origins: Origins) -> Self {
        Self { origins }
    }
}

impl TunnelSource for HelperTunnels {
    fn connect(
        &self,
        order: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        let origins = self.origins.clone();
        Box::pin(async move {
            let url = origin_url(&order.origin).ok_or(FetchFailure::NotConsented)?;
            let stream = origins.connect(&url).await.map_err(|error| failure(&error))?;
            Ok(Box::new(stream) as Box<dyn TunnelStream>)
        })
    }
}
