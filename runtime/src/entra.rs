//! Tokens of Microsoft Entra by the client-credentials grant, with a secret or a certificate.
//!
//! One token serves everyone who holds the same [`Tokens`]: it is fetched once, renewed at 80 % of its life, and the old
//! one serves while it lives if the renewal fails. Secret and certificate are read anew for every exchange, so that
//! a rotated one needs no restart. A refusal is remembered for a minute: a wrong secret is not asked about again and
//! again.
//!
//! Follows "Microsoft identity platform and the OAuth 2.0 client credentials flow" and "application authentication
//! certificate credentials" (PS256, `x5t#S256`). No managed and no workload identity yet.

mod assertion;
mod config;
mod refusal;
mod tokens;

pub use config::{Credential, EntraConfig};
pub use refusal::EntraError;
pub use tokens::{Token, Tokens};
