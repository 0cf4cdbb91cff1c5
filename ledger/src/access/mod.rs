//! The access log (schema `access`): sign-ins, token issues, and who read whose data.
//!
//! It is not history of accounts, so it is not in the ledger: it has a retention of its own and goes by whole months.
//! Ids only. What a request causes is handed to a background writer ([`AccessLog::note`]); a read of personal data by
//! staff is written *before* the answer ([`record`]): where that fails, there is no answer.
//!
//! ```text
//!   sign-in, token ──note──▶ bounded queue ──batches──▶ access.entry ◀──record── staff reads, audit queries
//!                                                            │
//!                                                 read ──▶ by person, by actor, by time
//! ```

mod read;
mod write;

pub use read::{Cursor, Of, Stored, Wanted, concerned, read};
pub use write::{AccessLog, drop_months, keep_months, record};

use crate::leaf::Hash;
use chrono::{DateTime, Utc};
use domain::context::Actor;
use domain::ids::{AccountId, RelyingPartyId};
use domain::reference::Reference;
use uuid::Uuid;

/// Longest purpose or filter kept, in bytes; what is longer is cut.
pub const LONGEST_TEXT: usize = 2_000;

/// One access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// When, UTC.
    pub at: DateTime<Utc>,
    /// Who; `None` where nobody proved to be anyone (a refused sign-in).
    pub actor: Option<Actor>,
    /// Keyed hash of the network it came from; `None` on the machine itself.
    pub origin: Option<Hash>,
    /// Incident reference of the request.
    pub reference: Option<Reference>,
    /// What was done.
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Somebody tried to sign in.
    SignIn {
        /// Whose account it was; `None` where the login is nobody's.
        account: Option<AccountId>,
        /// By what.
        method: SignInMethod,
        /// How it ended.
        outcome: SignInOutcome,
    },
    /// A relying party asked for tokens.
    Token {
        /// Which; `None` where none proved to be itself.
        relying_party: Option<RelyingPartyId>,
        /// About whom; `None` where the request led to nobody.
        account: Option<AccountId>,
        /// By which grant.
        grant: Grant,
        /// How it ended.
        outcome: TokenOutcome,
    },
    /// Staff read personal data: on the command line, or in the service.
    StaffRead(Query),
    /// An auditor's query.
    AuditQuery(Query),
    /// A person took away what is kept of them.
    OwnRead(Query),
    /// So many accesses before this one could not be written: the log says itself where it has a gap.
    Lost {
        /// How many.
        count: u64,
    },
}

/// By what somebody signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInMethod {
    /// Login and password.
    Password,
    /// A code sent to the phone, then a password chosen.
    Sms,
    /// FranceConnect.
    FranceConnect,
    /// Another upstream provider.
    Upstream,
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInOutcome {
    /// Signed in.
    Success,
    /// The provisional password was right; a personal one must be chosen first.
    MustChange,
    /// No such login, or another password or code.
    Wrong,
    /// The provisional password is too old.
    ProvisionalExpired,
    /// The account is disabled or closed.
    NotInUse,
    /// Too many tries: nothing was compared.
    Throttled,
    /// The first proof was right; a second one must follow before anybody is signed in.
    SecondFactorDue,
    /// The second proof was not right.
    SecondFactorWrong,
}

/// By which grant tokens are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// An authorization code.
    AuthorizationCode,
    /// A refresh token.
    RefreshToken,
    /// The relying party's own credentials: a token for itself.
    ClientCredentials,
    /// Another token, exchanged.
    TokenExchange,
    /// The request said none, or one that is not served.
    Unknown,
}

/// How a token request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOutcome {
    /// Tokens were issued.
    Success,
    /// Refused with this error of the protocol (RFC 6749 §5.2), e.g. `invalid_grant`.
    Refused(&'static str),
}

/// A read of personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Which query, by the name that its user knows: `history`, `state`, `import-queue`, ….
    pub name: &'static str,
    /// Whose data the answer holds: accounts, pupils, guardian records, by id.
    pub concerned: Vec<Uuid>,
    /// What for, in the reader's own words.
    pub purpose: Option<String>,
    /// What was asked for: ids, types, times; never a login, a name or a number that someone typed.
    pub filter: Option<String>,
    /// Results handed out.
    pub results: u64,
    /// SHA-256 of what was handed out, where it leaves as a file.
    pub export_hash: Option<Hash>,
    /// The second person, where one had to approve.
    pub approved_by: Option<Actor>,
    /// Why there is no answer, in one word; `None` where there is one.
    pub refused: Option<&'static str>,
}

/// The kinds of access, for choosing among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Deed::SignIn`]
    SignIn,
    /// [`Deed::Token`]
    Token,
    /// [`Deed::StaffRead`]
    StaffRead,
    /// [`Deed::AuditQuery`]
    AuditQuery,
    /// [`Deed::OwnRead`]
    OwnRead,
    /// [`Deed::Lost`]
    Lost,
}

impl Kind {
    /// The reads by people who are not the account's holder: what "who saw this account" asks for.
    pub const SEEN: [Self; 2] = [Self::StaffRead, Self::AuditQuery];
    /// All.
    pub const ALL: [Self; 6] =
        [Self::SignIn, Self::Token, Self::StaffRead, Self::AuditQuery, Self::OwnRead, Self::Lost];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Token => "token",
            Self::StaffRead => "staff-read",
            Self::AuditQuery => "audit-query",
            Self::OwnRead => "own-read",
            Self::Lost => "lost",
        }
    }

    /// By its stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Deed {
    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::SignIn { .. } => Kind::SignIn,
            Self::Token { .. } => Kind::Token,
            Self::StaffRead(_) => Kind::StaffRead,
            Self::AuditQuery(_) => Kind::AuditQuery,
            Self::OwnRead(_) => Kind::OwnRead,
            Self::Lost { .. } => Kind::Lost,
        }
    }
}

impl SignInMethod {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Sms => "sms",
            Self::FranceConnect => "franceconnect",
            Self::Upstream => "upstream",
        }
    }
}

impl SignInOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::MustChange => "must-change",
            Self::Wrong => "wrong",
            Self::ProvisionalExpired => "provisional-expired",
            Self::NotInUse => "not-in-use",
            Self::Throttled => "throttled",
            Self::SecondFactorDue => "second-factor-due",
            Self::SecondFactorWrong => "second-factor-wrong",
        }
    }
}

impl Grant {
    fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "token_exchange",
            Self::Unknown => "unknown",
        }
    }
}

impl TokenOutcome {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused(error) => error,
        }
    }
}

/// Staff on the machine itself, by the number that the operating system knows them by: `operator:unix-1000`, and
/// `operator:unix-1000-as-0` where `sudo` says who became root.
pub fn local_operator() -> Actor {
    let own = rustix::process::getuid().as_raw();
    let before = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse::<u32>().ok());
    Actor::Operator(match before.filter(|before| own == 0 && *before != own) {
        Some(before) => format!("unix-{before}-as-{own}"),
        None => format!("unix-{own}"),
    })
}
