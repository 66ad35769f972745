//! Names and ids that callers choose. A value of one of these types was checked when it was made.
//! What may stand in a name is decided here only; how a bad one is answered is the API's business.

/// Why a name was refused: a sentence that says what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidName(pub &'static str);

macro_rules! name_type {
    ($(#[doc = $doc:expr])* $name:ident, $length_max:expr, $pattern:expr, $check:expr) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> Result<(), InvalidName> = $check;
                check(text).map(|()| Self(text.to_owned()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// As the OpenAPI document describes it; the pattern says of the characters what the check does.
        #[cfg(test)]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                let text = text.description(Some(concat!($($doc),*).trim()));
                text.min_length(Some(1)).max_length(Some($length_max)).pattern(Some($pattern)).into()
            }
        }

        #[cfg(test)]
        impl utoipa::ToSchema for $name {}
    };
}

/// What stands at either end of a KPI's name, and what may stand between: no controls, no slash, nothing invisible.
#[cfg(test)]
const KPI_NAME_PATTERN: &str = concat!(
    r"^(?!\.{1,2}$)",
    r"[^\s/\u0000-\u001F\u007F-\u009F\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]",
    r"([^/\u0000-\u001F\u007F-\u009F\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]{0,126}",
    r"[^\s/\u0000-\u001F\u007F-\u009F\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF])?$",
);

name_type!(
    /// The name of a use case type: 1–64 of `[A-Za-z0-9._-]`, not `.` or `..`.
    UseCaseName,
    64,
    r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$",
    |text| ascii_name(
        text,
        64,
        b"._-",
        "a use case name is 1 to 64 of the characters A-Z a-z 0-9 . _ - and neither '.' nor '..'"
    )
);

name_type!(
    /// A KPI's public id: 1–64 of `[A-Za-z0-9._-]`, not `.` or `..`.
    KpiId,
    64,
    r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$",
    |text| ascii_name(
        text,
        64,
        b"._-",
        "a kpi_id is 1 to 64 of the characters A-Z a-z 0-9 . _ - and neither '.' nor '..'"
    )
);

name_type!(
    /// An application's public id: 1–64 of `[A-Za-z0-9._-]`, not `.` or `..`.
    ApplicationId,
    64,
    r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$",
    |text| ascii_name(
        text,
        64,
        b"._-",
        "an application_id is 1 to 64 of the characters A-Z a-z 0-9 . _ - and neither '.' nor '..'"
    )
);

name_type!(
    /// The id of a use case instance: 1–128 of `[A-Za-z0-9._:@=+-]`, not `.` or `..`; `kpis` and `properties` are path words.
    InstanceId,
    128,
    r"^(?!(\.{1,2}|kpis|properties)$)[A-Za-z0-9._:@=+-]{1,128}$",
    |text| {
        const ALLOWED: &str = "a use_case_id is 1 to 128 of the characters A-Z a-z 0-9 . _ : @ = + - \
            and none of '.', '..', 'kpis', 'properties'";
        if text == "kpis" || text == "properties" {
            return Err(InvalidName(ALLOWED));
        }
        ascii_name(text, 128, INSTANCE_ID_PUNCTUATION, ALLOWED)
    }
);

name_type!(
    /// A KPI's name: 1–128 printable characters, no `/`, not `.` or `..`, no space at either end.
    KpiName,
    128,
    KPI_NAME_PATTERN,
    |text| {
        let length = text.chars().count();
        let printable = text
            .chars()
            .all(|c| !c.is_control() && c != '/' && !is_invisible(c));
        let trimmed = text.trim() == text;
        if (1..=128).contains(&length) && printable && trimmed && text != "." && text != ".." {
            Ok(())
        } else {
            Err(InvalidName(
                "a KPI name is 1 to 128 printable characters without '/', without a space at either end, \
                 and neither '.' nor '..'",
            ))
        }
    }
);

/// Checks what instance ids are searched by: 1–128 of the characters that they are made of.
pub fn check_instance_id_start(text: &str) -> Result<(), InvalidName> {
    let bytes = text.as_bytes();
    if (1..=128).contains(&bytes.len()) && bytes.iter().all(|byte| is_of_instance_id(*byte)) {
        Ok(())
    } else {
        Err(InvalidName("an instance id begins with 1 to 128 of the characters A-Z a-z 0-9 . _ : @ = + -"))
    }
}

const INSTANCE_ID_PUNCTUATION: &[u8] = b"._:@=+-";

fn is_of_instance_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || INSTANCE_ID_PUNCTUATION.contains(&byte)
}

/// The range, from inclusive to exclusive, of all instance ids that begin so and lie behind an id (ascending) or before it.
pub fn instance_id_range(start: &str, beyond: Option<&str>, ascending: bool) -> (String, String) {
    // Before, and behind, every character of an id.
    const LEAST: char = '!';
    const GREATEST: char = '~';
    let (mut low, mut high) = (start.to_owned(), format!("{start}{GREATEST}"));
    match beyond {
        Some(id) if ascending => low = low.max(format!("{id}{LEAST}")),
        Some(id) => high = high.min(id.to_owned()),
        None => {}
    }
    (low, high)
}

/// Most keys an instance's properties can have.
pub const PROPERTIES_PER_INSTANCE_MAX: usize = 50;

/// Checks a property key: 1–64 printable characters.
pub fn check_property_key(key: &str) -> Result<(), InvalidName> {
    let length = key.chars().count();
    if (1..=64).contains(&length) && !key.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(InvalidName("a property key is 1 to 64 printable characters"))
    }
}

/// Checks a property value: up to 512 characters, no NUL.
pub fn check_property_value(value: &str) -> Result<(), InvalidName> {
    if value.chars().count() <= 512 && !value.contains('\0') {
        Ok(())
    } else {
        Err(InvalidName("a property value is at most 512 characters, without NUL"))
    }
}

fn ascii_name(
    text: &str,
    length_max: usize,
    punctuation: &[u8],
    allowed: &'static str,
) -> Result<(), InvalidName> {
    let bytes = text.as_bytes();
    let ok = (1..=length_max).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || punctuation.contains(b))
        && text != "."
        && text != "..";
    if ok { Ok(()) } else { Err(InvalidName(allowed)) }
}

/// Characters that take no ink and reorder or hide text: zero-width marks, bidirectional controls, separators, the BOM.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
        && c != '\u{200D}'
        && c != '\u{200C}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_what_the_contract_allows() {
        let check = |text: &str, use_case: bool, kpi: bool, instance: bool| {
            assert_eq!(UseCaseName::parse(text).is_ok(), use_case, "use case {text:?}");
            assert_eq!(KpiName::parse(text).is_ok(), kpi, "kpi {text:?}");
            assert_eq!(InstanceId::parse(text).is_ok(), instance, "instance {text:?}");
        };
        check("Chat-Bot", true, true, true);
        check("Conversion $ Value", false, true, false);
        check("50% Größe 👍", false, true, false);
        check("a:b@c=d+e", false, true, true);
        check("", false, false, false);
        check(".", false, false, false);
        check("..", false, false, false);
        check(" padded", false, false, false);
        check("a/b", false, false, false);
        check("a\u{0}b", false, false, false);
        check("kpis", true, true, false);
        check(&"x".repeat(64), true, true, true);
        check(&"x".repeat(65), false, true, true);
        check(&"x".repeat(128), false, true, true);
        check(&"x".repeat(129), false, false, false);
        check(&"ü".repeat(128), false, true, false);
    }

    #[test]
    fn a_range_of_ids_holds_those_that_begin_so() {
        const IDS: [&str; 9] = ["a", "a+", "a-1", "a-10", "a-1z", "a-2", "a_1", "aa", "b"];
        let found = |start: &str, beyond: Option<&str>, ascending: bool| -> Vec<&str> {
            let (low, high) = instance_id_range(start, beyond, ascending);
            IDS.into_iter().filter(|id| *id >= low.as_str() && *id < high.as_str()).collect()
        };
        for start in ["a", "a-1", "a_", "a+", "b", "c", "-"] {
            let all: Vec<&str> = IDS.into_iter().filter(|id| id.starts_with(start)).collect();
            assert_eq!(found(start, None, true), all);
            for id in IDS {
                let behind: Vec<&str> = all.iter().copied().filter(|other| *other > id).collect();
                let before: Vec<&str> = all.iter().copied().filter(|other| *other < id).collect();
                assert_eq!(
                    (found(start, Some(id), true), found(start, Some(id), false)),
                    (behind, before),
                    "{start} {id}"
                );
            }
        }
        for good in ["a", ".", "kpis", "a:b@c=d+e", &"x".repeat(128)] {
            assert!(check_instance_id_start(good).is_ok(), "{good}");
        }
        for bad in ["", "%", "a b", "a/b", "ü", "a\0", &"x".repeat(129)] {
            assert!(check_instance_id_start(bad).is_err(), "{bad}");
        }
    }
}
