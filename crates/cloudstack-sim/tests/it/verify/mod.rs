//! Scenarios that hold on every CloudStack server: they run against the embedded cloud, and against a real server where
//! `CLOUDSTACK_VERIFY_URL` (with `/client/api`), `CLOUDSTACK_VERIFY_API_KEY` and `CLOUDSTACK_VERIFY_SECRET_KEY` (a root
//! admin's) are set.
//!
//! Each scenario makes a domain of its own with everything that it needs and deletes it at its end. It assumes an
//! enabled advanced zone with a template that is ready, and nothing else.

mod disks;
mod lab;
mod lists;
mod machines;
mod people;
mod refusals;
mod rules;
mod zones;
