//! `sqlx::migrate!` reads the folder when the crate is compiled: a new migration must recompile it.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
