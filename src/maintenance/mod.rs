//! What runs by itself: tasks that are due, the background worker, the audit sample.

mod audit;
pub mod tasks;
pub mod worker;
