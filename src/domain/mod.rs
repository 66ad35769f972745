//! What Edge KPI is about, free of any platform: names, KPI types and scores, calendar buckets, aggregates that merge, the
//! figures of a dashboard, and statistics (trends, seasons, comparisons). Nothing here knows of Workers, SQL, HTTP or a
//! clock; time is an argument.

pub mod calendar;
pub mod cell;
pub mod collector;
pub mod dashboard;
pub mod day;
pub mod day_sum;
pub mod distribution;
pub mod double_double;
pub mod kpi;
pub mod names;
pub mod refusal;
pub mod segments;
pub mod statistics;
pub mod tally;
pub mod zones;
