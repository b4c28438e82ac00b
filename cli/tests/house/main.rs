//! The rules of this repository that no compiler knows: which room may need which, how long a file may be, what has
//! to stand beside what. `docs/ARCHITECTURE.md` and `CONTRIBUTING.md` promise them; here they can fail.
//!
//! Each check is a function from plain values to a list of problems, tried on a made-up bad case, and then run over
//! the checkout. A checkout is what lies in the folder, without `target`, hidden folders and logs; no git is needed.

mod corpus;
mod docs;
mod edges;
mod manifests;
mod rules;
mod sources;
mod tree;
mod words;
