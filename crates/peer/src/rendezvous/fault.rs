//! Why a rendezvous server is of no use now.

/// What is wrong, by what somebody can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ServerFault {
    #[error("the server's name leads nowhere")]
    UnknownName,
    #[error("nobody answers at the server's address")]
    NoAnswer,
    /// Nothing was sent to it but the hello of TLS, or, where its certificate is of the public kind, what opens a session.
    #[error("another server answers there than was expected")]
    OtherKey,
    #[error("what answers there is no rendezvous server, or one of another version")]
    NoServer,
    #[error("the clocks of this device and the server are too far apart")]
    Clock,
    #[error("the server takes nobody in at the moment, or is asked too much")]
    Busy,
    #[error("the server refuses what this device says")]
    Refused,
    /// Everybody on the way could read and change what is said.
    #[error("the server is reached by plain http, which has to be allowed")]
    PlainHttp,
}
