//! Statistics over aggregates: whether a series has a trend, whether a KPI depends on the hour or the weekday, whether two
//! sets of scores differ. All of it works on moments and averages, never on single scores; which cells go into them, and
//! what is shown of the results, is the caller's. `docs/STATISTICS.md` says when not to trust a figure.

pub mod distributions;
pub mod theil_sen;
pub mod trend;
