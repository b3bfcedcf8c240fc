//! The rare transitions that a run must reach to be meaningful. All are observed from outside.

macro_rules! rare {
    ($($name:ident => $text:literal,)+) => {
        /// A transition that happens only when several things go wrong in the right order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "its text says what it is")]
        pub enum Rare {
            $($name,)+
        }

        impl Rare {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns its description.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

rare! {
    LateSuccess => "a success after the timeout heals",
    WrongRefusalHealed => "a success heals a refusal that was another channel's",
    HeldErrorAttributed => "a held error is attributed when a later subscription is answered",
    ProbableCause => "a timeout names its probable cause",
    RefusedThenRetried => "a refused channel is tried again and subscribed",
    TimedOutThenRetried => "a channel that timed out is unsubscribed before it is tried again",
    ExistingSubscription => "a presence channel that exists already is unsubscribed and subscribed again",
    Resubscribed => "a channel is subscribed again on another socket",
    EventBeforeSuccess => "continuity was lost, and an event comes before the success",
    LongGap => "two losses are one gap",
    UnsubscribedWhileSent => "a channel that was unsubscribed while sent is unsubscribed after the success",
    ResubscribedWhileSent => "a channel that was unsubscribed while sent is wanted again before the answer",
    UnsubscribedWhileAuthorizing => "a channel is unsubscribed while it is authorized",
    StraySuccess => "an unexpected success is answered with an unsubscribe",
    LostWhileAuthorizing => "the connection is lost while a channel is authorized",
    StaleAuth => "an authorization is answered after it was cancelled",
    AuthTimeout => "an authorization times out",
    AuthRetry => "an authorization is asked for again",
    SigninRetry => "an authorization of the user is asked for again",
    SubscribeRetry => "a subscription that was not answered is tried again",
    SigninTimeoutRetry => "a sign-in that was not answered is tried again",
    LateRequest => "the backend is asked again after a minute without success",
    Throttled => "the backend answers 429 with Retry-After",
    ThrottledSilently => "the backend answers 429 without Retry-After",
    Paused => "channels wait because the backend is busy or down",
    TooManyMessages => "a server answers 4301 to a message above its limit",
    CutForMessages => "a server ends a connection because of a message above its limit",
    Slowed => "channels wait because the server complained about the number of messages",
    NotYetAuthorized => "a server closes with 4009 while an authorization is pending, and the client reconnects",
    AuthWindowFull => "authorizations wait for the window",
    SubscribeWindowFull => "subscriptions wait for the window",
    KeyRefreshed => "a newer key opens the event that it was asked for",
    KeyAwaited => "a newer key comes at a later request",
    KeyRefreshFailed => "no newer key is to be had",
    HeldOverflow => "too many events wait for a newer key",
    LostWhileRefreshing => "the connection is lost while events wait for a newer key",
    PongTimeout => "a ping is not answered",
    PongGrace => "the machine slept, and the pong gets its grace",
    HandshakeTimeout => "a handshake times out",
    HandshakeRefused => "an error frame refuses the handshake",
    RefusedForGood => "an error frame during the handshake does not allow reconnecting",
    CreditUsed => "a retry at once",
    CreditUsedTwice => "a second retry at once, after the credit was earned again",
    CreditMissing => "a retry at once is due, but its credit is spent",
    InferredClose => "an error frame explains a close without a code",
    OverTls => "a server wants TLS and gets it",
    RingAdvance => "the next endpoint of the ring is tried",
    RetryAfter => "an upgrade is refused for some time",
    Fatal => "a close code does not allow reconnecting",
    GaveUp => "the last attempt failed",
    Unavailable => "an outage lasts",
    SwitchedWhileConnected => "the endpoint changes while connected",
    SwitchedWhileWaiting => "the endpoint changes while a retry waits",
    HintWhileWaiting => "the network is back while a retry waits",
    Lagged => "the queue was full, and events were counted",
    BufferedEventSent => "a client event waited for its subscription",
    BufferedEventDropped => "a client event waited in vain",
    SignedInAgain => "a user is signed in on another socket, and the gap is reported",
    SigninRefused => "a sign-in is refused",
    SigninTimeout => "a sign-in is not answered",
    UserChanged => "a sign-in after a sign-out reconnects first",
    NoticeBeforeSignin => "a notice about the user comes before the sign-in is confirmed",
    AwaitedUser => "a presence channel waits for the sign-in",
    RosterDifference => "a presence list has changed over an outage",
    CachedEvent => "a cached event is repeated",
    CacheMiss => "a cache is empty",
    SecondGreeting => "a second greeting",
    Version2Refused => "a server does not speak version 2, and is asked for version 1",
    RecoveredSame => "a channel has missed nothing while it had no connection",
    RecoveredReplay => "what a channel has missed is replayed",
    RecoveredOverLosses => "what a channel has missed over two losses is replayed",
    RecoveredOnSocket => "a channel that has missed something on a live connection recovers",
    StreamReset => "a position is of a stream that the server does not have any more",
    PositionExpired => "the server has forgotten some of the missed messages",
    ResumeTimeout => "a request to replay messages is not answered",
    ResumeOverflow => "too many events arrive while a channel recovers",
    ReplayNotEnabled => "a server has recovery turned off",
    LiveBeforeReplay => "a live message arrives before older ones that are replayed",
    SentTwice => "a message arrives that was emitted before",
    OwnReplayed => "an own client event is replayed",
    StreamChanged => "a channel gets another stream on a live connection",
    OldSocket => "something arrives from a socket that counts no more",
}
