//! Remembers where redirects led, so that eight connections do not ask the redirecting server eight times.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use url::Url;

/// Original URL → final URL and the roots of the origins on the way.
#[derive(Default)]
pub(crate) struct Moved {
    /// Guards this list alone; the youngest is last.
    ways: Mutex<VecDeque<Way>>,
}

#[derive(Clone)]
struct Way {
    from: Url,
    to: Url,
    origins: Vec<Url>,
}

/// More links than are downloaded at one time; the oldest is forgotten, which costs one redirect.
const MAX_WAYS: usize = 256;

impl Moved {
    pub(crate) fn find(&self, from: &Url) -> Option<(Url, Vec<Url>)> {
        let ways = self.lock();
        let way = ways.iter().find(|way| way.from == *from)?;
        Some((way.to.clone(), way.origins.clone()))
    }

    pub(crate) fn remember(&self, from: &Url, to: &Url, origins: &[Url]) {
        let mut ways = self.lock();
        ways.retain(|way| way.from != *from);
        if ways.len() == MAX_WAYS {
            ways.pop_front();
        }
        ways.push_back(Way { from: from.clone(), to: to.clone(), origins: origins.to_vec() });
    }

    pub(crate) fn forget(&self, from: &Url) {
        self.lock().retain(|way| way.from != *from);
    }

    /// The same as it is now; what either learns later is its own.
    pub(crate) fn copy(&self) -> Self {
        Self { ways: Mutex::new(self.lock().clone()) }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Way>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// URLs may hold secrets.
impl fmt::Debug for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moved").field("ways", &self.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_knows_what_was_known_and_goes_its_own_way() {
        let url = |path: &str| Url::parse(&format!("http://example.org/{path}")).unwrap();
        let own = Moved::default();
        own.remember(&url("a"), &url("signed-for-own"), &[]);
        let relay = own.copy();
        assert_eq!(relay.find(&url("a")), Some((url("signed-for-own"), Vec::new())));
        relay.forget(&url("a"));
        relay.remember(&url("a"), &url("signed-for-relay"), &[]);
        assert_eq!(own.find(&url("a")), Some((url("signed-for-own"), Vec::new())));
        own.forget(&url("a"));
        assert_eq!(relay.find(&url("a")), Some((url("signed-for-relay"), Vec::new())));
    }

    #[test]
    fn the_oldest_way_is_forgotten_first() {
        let moved = Moved::default();
        let url = |n: usize| Url::parse(&format!("http://example.org/{n}")).unwrap();
        for n in 0..=MAX_WAYS {
            moved.remember(&url(n), &url(n + 1000), &[]);
        }
        assert_eq!(moved.find(&url(0)), None);
        assert_eq!(moved.find(&url(MAX_WAYS)), Some((url(MAX_WAYS + 1000), Vec::new())));
        moved.forget(&url(MAX_WAYS));
        assert_eq!(moved.find(&url(MAX_WAYS)), None);
    }
}
