//! Hostile input in small shares, with every `cargo test`: the corpus of the fuzz targets, a part of the bulk run, and every
//! single damage to a journal's end.
#![allow(clippy::print_stdout, reason = "counts, and the file that a judge was given last")]

mod bulk;
mod corpus;
mod journal_damage;
mod reference;
mod unknown_template;
