//! Against a real OpenID provider (`tests/franceconnect`), right and wrong in each way it can be.

mod desks;
mod first_use;
mod links;
mod world;
mod wrong_answers;
