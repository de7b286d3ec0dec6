//! The embedded cloud, seen from outside: what it answers to requests, without HTTP where HTTP does not matter.

mod catalog;
mod front;
mod life;
mod lists;
mod scene;
mod signatures;
mod time;
