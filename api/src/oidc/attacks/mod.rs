//! What an attacker tries at the provider, over HTTP on a real database. Each test names the point of the list of
//! threats that it attempts; it fails if the attack works.

mod authorization;
mod bearer;
mod codes;
mod logout;
mod sight;
mod world;
