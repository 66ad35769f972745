//! Whether a KPI depends on the hour of the day or the day of the week: averages by group, and a one-way analysis of variance
//! over them. From the moments of the groups alone; which zone's hours they are is the caller's. A group that scored on few
//! days only may stand out by what happened on those days: the test takes scores as independent.
//!
//! Sources: R. A. Fisher, "Statistical methods for research workers" (1925), for F; K. Pearson, "On the general theory of
//! skew correlation and non-linear regression" (1905), for η².

use super::distributions::f_survival;
use super::{beyond_rounding, count_of};
use crate::domain::cell::Moments;
use crate::domain::double_double::DoubleDouble;
use serde::Serialize;

/// A KPI counts as seasonal below this p-value …
pub const SEASONAL_P: f64 = 0.01;

/// … if the groups also account for this share of the variance: with many scores a trifle is significant, too.
pub const SEASONAL_ETA_SQUARED: f64 = 0.05;

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    pub count: u64,
    /// `None` without a score.
    pub average: Option<f64>,
}

/// Averages by group and what they say. `eta_squared` and `p_value` are `None` together: fewer than two groups with a score,
/// no group with a second one, or all scores equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub groups: Vec<Group>,
    /// Share of the variance that the groups account for, 0 to 1.
    pub eta_squared: Option<f64>,
    /// Of equal averages in all groups.
    pub p_value: Option<f64>,
    pub seasonal: bool,
}

/// F = (SSB/(k − 1)) / (SSW/(N − k)) and η² = SSB/SST over the k groups that have scores, N of them in all.
/// Without any variance within groups, but some between them, p is 0 and η² is 1.
pub fn profile(groups: &[Moments]) -> Profile {
    let variance = analyse(groups);
    let (eta_squared, p_value) = variance.unzip();
    Profile {
        groups: groups.iter().map(|group| Group { count: group.count, average: group.average() }).collect(),
        eta_squared,
        p_value,
        seasonal: variance.is_some_and(|(eta, p)| p < SEASONAL_P && eta >= SEASONAL_ETA_SQUARED),
    }
}

/// η² and the p-value.
#[allow(clippy::cast_precision_loss)] // few groups
fn analyse(groups: &[Moments]) -> Option<(f64, f64)> {
    let groups: Vec<&Moments> = groups.iter().filter(|group| group.count > 0).collect();
    let all = groups.iter().fold(Moments::default(), |all, group| all.plus(group));
    let (k, n) = (groups.len() as f64, count_of(&all));
    if k < 2.0 || n <= k {
        return None;
    }
    // Σx² − T²/N = (Σx² − Σ Tᵢ²/nᵢ) + (Σ Tᵢ²/nᵢ − T²/N), with T the sums: in 106 bits, for a spread of 1 around 1e9.
    let explained = groups
        .iter()
        .fold(DoubleDouble::ZERO, |sum, group| sum + group.sum.squared().divided_by(count_of(group)));
    let between = beyond_rounding(explained - all.sum.squared().divided_by(n), &all);
    let within = beyond_rounding(all.squares - explained, &all);
    if between + within == 0.0 {
        return None;
    }
    let f = (between / (k - 1.0)) / (within / (n - k));
    Some((between / (between + within), f_survival(f, k - 1.0, n - k)))
}

/// By hour of the day and by day of the week.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Seasonality {
    pub hour_of_day: SeasonProfile<HourFigures>,
    pub day_of_week: SeasonProfile<DayFigures>,
}

/// Averages by hour or day, and whether they differ by more than chance.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct SeasonProfile<F> {
    pub seasonal: bool,
    pub eta_squared: Option<f64>,
    pub p_value: Option<f64>,
    /// All hours, from 0, or all days, from Monday.
    pub profile: Vec<F>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct HourFigures {
    pub hour: usize,
    pub count: u64,
    pub average: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct DayFigures {
    pub day: &'static str,
    pub count: u64,
    pub average: Option<f64>,
}

impl Seasonality {
    /// From the moments of the hours 0 to 23 and of the days Monday to Sunday.
    pub fn new(hours: &[Moments; 24], days: &[Moments; 7]) -> Self {
        Self {
            hour_of_day: labelled(profile(hours), 0.., |hour, Group { count, average }| HourFigures {
                hour,
                count,
                average,
            }),
            day_of_week: labelled(profile(days), DAYS, |day, Group { count, average }| DayFigures {
                day,
                count,
                average,
            }),
        }
    }
}

fn labelled<L, F>(
    profile: Profile,
    labels: impl IntoIterator<Item = L>,
    figures: impl Fn(L, Group) -> F,
) -> SeasonProfile<F> {
    SeasonProfile {
        seasonal: profile.seasonal,
        eta_squared: profile.eta_squared,
        p_value: profile.p_value,
        profile: labels.into_iter().zip(profile.groups).map(|(label, group)| figures(label, group)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::moments_of;

    /// Expected: `scipy.stats.f_oneway(*groups).pvalue`; η² by numpy: `sum(len(g) * (g.mean() - m) ** 2 for g in groups)`
    /// over `((all - m) ** 2).sum()`. Scores around 1e9 less 1e9, for numpy's own rounding.
    #[test]
    fn figures_agree_with_scipy() {
        let check = |name: &str, mut groups: Vec<Moments>, eta_squared: f64, p_value: f64| {
            groups.insert(1, Moments::default()); // an empty group changes nothing
            let found = profile(&groups);
            let close = |found: Option<f64>, expect: f64| {
                let found = found.unwrap();
                assert!((found - expect).abs() <= 1e-9 * expect.abs(), "{name}: {found} is not {expect}");
            };
            close(found.eta_squared, eta_squared);
            close(found.p_value, p_value);
            assert_eq!(found.seasonal, p_value < 0.01 && eta_squared >= 0.05, "{name}");
        };
        check(
            "two groups",
            vec![moments_of(&[1.0, 2.0, 3.0]), moments_of(&[2.0, 3.0, 4.0])],
            0.2727272727272727,
            0.28786413472669053,
        );
        check(
            "season",
            vec![
                moments_of(&[1.0, 2.0, 1.0, 2.0]),
                moments_of(&[5.0, 6.0, 5.0]),
                moments_of(&[9.0, 8.0, 9.0, 9.0, 8.0]),
            ],
            0.9750543872371283,
            6.116088961064374e-08,
        );
        check(
            "one score each but one",
            vec![moments_of(&[1.0]), moments_of(&[2.0]), moments_of(&[3.0, 5.0])],
            0.7714285714285715,
            0.47809144373375745,
        );
        check(
            "billion",
            vec![
                moments_of(&[999999999.0, 1000000000.0, 1000000001.0]),
                moments_of(&[1000000001.0, 1000000002.0, 1000000001.0]),
                moments_of(&[1000000000.0, 1000000000.0, 999999999.0, 999999999.0]),
            ],
            0.6180555555555555,
            0.03443504785721504,
        );
        check(
            "tiny",
            vec![moments_of(&[1e-12, 2e-12]), moments_of(&[4e-12, 3.5e-12, 9e-12])],
            0.5026178010471206,
            0.18002792500592246,
        );
        check(
            "booleans",
            vec![
                moments_of(&[0.0, 1.0, 0.0, 0.0]),
                moments_of(&[1.0, 1.0, 0.0, 1.0, 1.0]),
                moments_of(&[0.0, 0.0, 0.0]),
            ],
            0.4685714285714286,
            0.05814361760574141,
        );
        check(
            "equal averages",
            vec![moments_of(&[1.0, 3.0]), moments_of(&[2.0, 2.0]), moments_of(&[0.0, 4.0])],
            0.0,
            1.0,
        );
    }

    #[test]
    fn what_cannot_be_told_is_not_seasonal() {
        let nothing = |groups: &[&[f64]]| {
            let groups: Vec<Moments> = groups.iter().map(|scores| moments_of(scores)).collect();
            let found = profile(&groups);
            assert_eq!((found.eta_squared, found.p_value, found.seasonal), (None, None, false));
        };
        nothing(&[]);
        nothing(&[&[], &[1.0, 2.0, 3.0]]);
        nothing(&[&[1.0], &[2.0], &[5.0]]);
        nothing(&[&[0.1; 400], &[0.1; 3], &[0.1; 77]]);
    }

    #[test]
    fn groups_without_any_spread_but_of_different_averages_are_seasonal() {
        let found = profile(&[moments_of(&[0.1; 300]), moments_of(&[0.7; 200])]);
        assert_eq!((found.eta_squared, found.p_value, found.seasonal), (Some(1.0), Some(0.0), true));
    }

    #[test]
    fn a_significant_trifle_is_not_seasonal() {
        let scores = |centre: f64| (0..5000).map(|i| centre + f64::from(i % 10)).collect::<Vec<_>>();
        let found = profile(&[moments_of(&scores(0.0)), moments_of(&scores(0.3))]);
        assert!(found.p_value.unwrap() < 1e-6 && !found.seasonal);
    }

    #[test]
    fn the_wire_format_is_unchanged() {
        let mut hours = [Moments::default(); 24];
        hours[1] = moments_of(&[1.0, 2.0]);
        let text = serde_json::to_string(&Seasonality::new(&hours, &[Moments::default(); 7])).unwrap();
        let start = concat!(
            r#"{"hour_of_day":{"seasonal":false,"eta_squared":null,"p_value":null,"profile":["#,
            r#"{"hour":0,"count":0,"average":null},{"hour":1,"count":2,"average":1.5},"#
        );
        let end = r#"{"day":"sunday","count":0,"average":null}]}}"#;
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
        assert!(text.contains(
            r#""day_of_week":{"seasonal":false,"eta_squared":null,"p_value":null,"profile":[{"day":"monday""#
        ));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["hour_of_day"]["profile"].as_array().unwrap().len(), 24);
        assert_eq!(value["day_of_week"]["profile"].as_array().unwrap().len(), 7);
    }
}
