//! The command line as people and programs meet it: the built binary, its output and its exit codes.

mod answers;
mod approvals;
mod configuration;
mod demo;
mod doctor;
mod home;
mod manual;
mod profiles;
mod simulator;
mod state;
