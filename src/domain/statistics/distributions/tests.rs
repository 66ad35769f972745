use super::*;
use proptest::prelude::*;

fn assert_close(found: f64, expect: f64, absolute: f64, relative: f64, what: &str) {
    let allowed = absolute.max(relative * expect.abs());
    assert!((found - expect).abs() <= allowed, "{what}: {found} is not {expect}");
}

/// Expected: `scipy.stats.norm`: `2 * sf(z)`, `ppf(p)`.
#[test]
fn the_normal_distribution_agrees_with_scipy() {
    for (z, p) in [
        (0.0, 1.0),
        (0.5, 0.6170750774519738),
        (1.96, 0.04999579029644087),
        (4.0, 6.334248366623973e-05),
        (8.0, 1.244192114854348e-15),
        (37.0, 1.1451142445047853e-299),
    ] {
        assert_close(normal_two_sided_p(z), p, 1e-12, 2e-10, "two-sided p");
        assert_close(normal_two_sided_p(-z), p, 1e-12, 2e-10, "two-sided p");
        assert_close(normal_cdf(-z), p / 2.0, 1e-12, 2e-10, "cdf");
        assert_close(normal_cdf(z), 1.0 - p / 2.0, 1e-10, 0.0, "cdf");
    }
    for (probability, z) in [
        (1e-10, -6.361340902404056),
        (0.025, -1.9599639845400545),
        (0.3, -0.5244005127080409),
        (0.5, 0.0),
        (0.9, 1.2815515655446004),
        (0.975, 1.959963984540054),
        (0.995, 2.5758293035489004),
        (0.999999999, 5.997807019601637),
    ] {
        assert_close(normal_quantile(probability), z, 1e-15, 1e-13, "quantile");
    }
}

/// Expected: `2 * scipy.stats.t.sf(t, df)`, which agrees with mpmath's `betainc` to 1e-15.
#[test]
fn p_values_of_t_agree_with_scipy() {
    #[rustfmt::skip]
    let cases = [
        (0.3, 0.5, 0.8007107926214775),
        (0.3, 1.96, 0.5675597140668968),
        (0.3, 4.0, 0.46044185907871965),
        (0.3, 40.0, 0.2311283260300254),
        (1.0, 0.5, 0.7048327646991335),
        (1.0, 1.96, 0.3003428917760331),
        (1.0, 4.0, 0.15595826075473865),
        (1.0, 40.0, 0.015912179824051624),
        (1.7, 0.5, 0.6741845249243278),
        (1.7, 1.96, 0.21100962142967614),
        (1.7, 4.0, 0.07425275099815176),
        (1.7, 40.0, 0.0015767306157270149),
        (4.7, 0.5, 0.639594618011999),
        (4.7, 1.96, 0.11094669139783679),
        (4.7, 4.0, 0.011697279213272425),
        (4.7, 40.0, 3.8918611107283634e-07),
        (30.0, 0.5, 0.6207230048851272),
        (30.0, 1.96, 0.05934231289605049),
        (30.0, 4.0, 0.0003818456360837564),
        (30.0, 40.0, 1.3726045194406417e-27),
        (333.3, 0.5, 0.6174050181295743),
        (333.3, 1.96, 0.05082868578265445),
        (333.3, 4.0, 7.806894630137767e-05),
        (333.3, 40.0, 2.8167722762569278e-129),
        (98765.4, 0.5, 0.6170761914072891),
        (98765.4, 1.96, 0.04999859785657195),
        (98765.4, 4.0, 6.338856664281918e-05),
        (98765.4, 40.0, 0.0),
        (10000000.0, 0.5, 0.6170750884540148),
        (10000000.0, 1.96, 0.04999581802531423),
        (10000000.0, 4.0, 6.334293869016885e-05),
        (10000000.0, 40.0, 0.0),
    ];
    for (degrees, t, p) in cases {
        let what = format!("t {t}, degrees of freedom {degrees}");
        assert_close(student_t_two_sided_p(t, degrees), p, 1e-300, 1e-9, &what);
        assert_close(student_t_two_sided_p(t, degrees), p, 1e-12, 0.0, &what);
        assert_close(student_t_cdf(-t, degrees), p / 2.0, 1e-12, 0.0, &what);
        assert_close(student_t_cdf(t, degrees), 1.0 - p / 2.0, 1e-12, 0.0, &what);
    }
}

/// Expected: `scipy.stats.t.ppf(p, df)`.
#[test]
fn quantiles_of_t_agree_with_scipy() {
    #[rustfmt::skip]
    let cases = [
        (0.3, 1e-06, -3.007185808790972e+18),
        (0.3, 0.3, -1.6126582577896116),
        (0.3, 0.6, 0.5023012820593052),
        (0.3, 0.975, 6582.0356994007525),
        (0.3, 0.9995, 3031053361.1538153),
        (1.0, 1e-06, -318309.8861827435),
        (1.0, 0.3, -0.7265425280053609),
        (1.0, 0.6, 0.32491969623290634),
        (1.0, 0.975, 12.706204736174694),
        (1.0, 0.9995, 636.6192487687897),
        (1.7, 1e-06, -2023.8837476688248),
        (1.7, 0.3, -0.6353009164288356),
        (1.7, 0.6, 0.29506112729782746),
        (1.7, 0.975, 5.1188389882530565),
        (1.7, 0.9995, 52.294707594665304),
        (4.7, 1e-06, -28.20094979234241),
        (4.7, 0.3, -0.5617670508497394),
        (4.7, 0.6, 0.2680827195410317),
        (4.7, 0.975, 2.62072607535317),
        (4.7, 0.9995, 7.266542375825276),
        (30.0, 1e-06, -5.871117120418882),
        (30.0, 0.3, -0.5300190039065046),
        (30.0, 0.6, 0.2556053649519128),
        (30.0, 0.975, 2.0422724563012378),
        (30.0, 0.9995, 3.6459586350420627),
        (333.3, 1e-06, -4.838865984435736),
        (333.3, 0.3, -0.5249024013745598),
        (333.3, 0.6, 0.25354942535923836),
        (333.3, 0.975, 1.9671069867099256),
        (333.3, 0.9995, 3.3199555293609246),
        (98765.4, 1e-06, -4.753708221760997),
        (98765.4, 0.3, -0.5244022051282186),
        (98765.4, 0.6, 0.2533477855826828),
        (98765.4, 0.975, 1.95998800408342),
        (98765.4, 0.9995, 3.2906252477260085),
        (10000000.0, 1e-06, -4.753427112755577),
        (10000000.0, 0.3, -0.5244005294232538),
        (10000000.0, 0.6, 0.25334710987600284),
        (10000000.0, 0.975, 1.959964221767205),
        (10000000.0, 0.9995, 3.2905277044652532),
    ];
    for (degrees, probability, t) in cases {
        let what = format!("probability {probability}, degrees of freedom {degrees}");
        assert_close(student_t_quantile(probability, degrees), t, 0.0, 1e-11, &what);
    }
    assert_eq!(student_t_quantile(0.5, 3.0), 0.0);
}

/// Expected: `scipy.stats.f.sf(f, numerator, denominator)`.
#[test]
fn the_tail_of_f_agrees_with_scipy() {
    #[rustfmt::skip]
    let cases = [
        (1.0, 1.0, 0.5, 0.6081734479693928),
        (1.0, 3.0, 10.0, 0.05078186628649377),
        (2.0, 17.0, 3.5, 0.05333597974228042),
        (6.0, 100.0, 1.0, 0.42970716861242586),
        (6.0, 10000.0, 2.8, 0.01008976014585855),
        (23.0, 1000.0, 1.5, 0.061317667485164776),
        (23.0, 100000.0, 0.9, 0.5994005300165082),
        (23.0, 10000000.0, 1.8, 0.010654488976251545),
        (6.0, 10000000.0, 50.0, 8.19826600193525e-62),
        (1.0, 10000000.0, 3.84, 0.05004354898482177),
        (6.0, 161.0, 0.01, 0.9999954385183725),
        (23.0, 20.0, 4.0, 0.0013397021744800078),
    ];
    for (numerator, denominator, f, p) in cases {
        let what = format!("F {f} with {numerator} and {denominator} degrees of freedom");
        assert_close(f_survival(f, numerator, denominator), p, 1e-12, 0.0, &what);
        assert_close(f_survival(f, numerator, denominator), p, 0.0, 1e-9, &what);
    }
    assert_eq!(f_survival(0.0, 3.0, 4.0), 1.0);
    assert_eq!(f_survival(f64::INFINITY, 3.0, 4.0), 0.0);
}

/// Expected: `statsmodels.stats.multitest.multipletests(p, method='holm')[1]`.
#[test]
fn holm_agrees_with_statsmodels_and_skips_what_was_not_tested() {
    let check = |p_values: &[Option<f64>], expect: &[Option<f64>]| {
        let found = holm(p_values);
        assert_eq!(found.len(), expect.len());
        for (found, expect) in found.iter().zip(expect) {
            assert_eq!(found.is_some(), expect.is_some(), "{p_values:?}");
            assert_close(found.unwrap_or(0.0), expect.unwrap_or(0.0), 0.0, 1e-15, "holm");
        }
    };
    check(
        &[Some(0.01), Some(0.04), None, Some(0.03), Some(0.005)],
        &[Some(0.03), Some(0.06), None, Some(0.06), Some(0.02)],
    );
    check(&[Some(0.5), Some(0.5), Some(0.001)], &[Some(1.0), Some(1.0), Some(0.003)]);
    check(&[None, Some(0.02)], &[None, Some(0.02)]);
    check(
        &[Some(0.0), Some(1e-300), Some(0.05), Some(0.05), Some(1.0)],
        &[Some(0.0), Some(4e-300), Some(0.15), Some(0.15), Some(1.0)],
    );
    check(&[], &[]);
}

#[test]
fn outside_the_domain_there_is_no_number() {
    for nan in [
        normal_quantile(0.0),
        normal_quantile(1.0),
        normal_quantile(f64::NAN),
        student_t_quantile(0.3, 0.0),
        student_t_two_sided_p(f64::NAN, 3.0),
        student_t_two_sided_p(1.0, -1.0),
        f_survival(1.0, 0.0, 3.0),
        f_survival(f64::NAN, 1.0, 3.0),
    ] {
        assert!(nan.is_nan());
    }
    assert_eq!(student_t_two_sided_p(f64::INFINITY, 3.0), 0.0);
    assert_eq!(normal_two_sided_p(f64::NEG_INFINITY), 0.0);
}

proptest! {
    #[test]
    fn a_quantile_of_t_leads_back_to_its_probability(
        ln_degrees in -1.0f64..23.5,
        ln_probability in -20.0f64..-0.7,
    ) {
        let (degrees, probability) = (ln_degrees.exp(), ln_probability.exp());
        let t = student_t_quantile(probability, degrees);
        let back = student_t_cdf(t, degrees);
        prop_assert!((back / probability - 1.0).abs() < 1e-9, "{} {} {}", degrees, probability, back);
        prop_assert!((student_t_quantile(1.0 - probability, degrees) + t).abs() < 1e-6 * t.abs());
    }

    #[test]
    fn the_square_of_t_is_f_with_one_degree_in_the_numerator(t in 0.0f64..40.0, ln_degrees in -1.0f64..16.0) {
        let degrees = ln_degrees.exp();
        let (by_t, by_f) = (student_t_two_sided_p(t, degrees), f_survival(t * t, 1.0, degrees));
        prop_assert!((by_t - by_f).abs() < 1e-12);
    }
}
