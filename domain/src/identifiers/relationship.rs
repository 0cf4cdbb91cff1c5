//! How a guardian stands to a pupil, and the sex a civil status records.

/// Level of responsibility of a guardian for a pupil (`NIVEAU_RESPONSABILITE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardianLevel {
    /// 1: legal guardian, at most two per pupil. Only this level gets an account.
    Legal,
    /// 2: in charge of the pupil without being a legal guardian.
    InCharge,
    /// 3: a contact.
    Contact,
}

/// No level has this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a level of responsibility is 1, 2 or 3")]
pub struct UnknownLevel;

impl GuardianLevel {
    /// The level with this number, 1 to 3.
    ///
    /// # Errors
    /// [`UnknownLevel`] for any other number.
    pub fn from_number(number: u8) -> Result<Self, UnknownLevel> {
        match number {
            1 => Ok(Self::Legal),
            2 => Ok(Self::InCharge),
            3 => Ok(Self::Contact),
            _ => Err(UnknownLevel),
        }
    }

    /// Its number, 1 to 3.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Legal => 1,
            Self::InCharge => 2,
            Self::Contact => 3,
        }
    }
}

/// Family tie of a guardian to a pupil (`CODE_PARENTE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relationship {
    /// 10
    Mother,
    /// 20
    Father,
    /// 37: brother or sister.
    Sibling,
    /// 38: grandparent or further ancestor.
    Ancestor,
    /// 39: another member of the family.
    OtherRelative,
    /// 41: educator.
    Educator,
    /// 42: foster carer.
    FosterCarer,
    /// 43: child minder.
    ChildMinder,
    /// 50: appointed guardian (tuteur).
    AppointedGuardian,
    /// 51: child welfare service (ASE).
    ChildWelfare,
    /// 70: the pupil, an adult, is their own guardian.
    Oneself,
    /// 90
    Other,
    /// A code outside the known list, kept as it is.
    Unlisted(u8),
}

impl Relationship {
    /// The tie this code names.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code {
            10 => Self::Mother,
            20 => Self::Father,
            37 => Self::Sibling,
            38 => Self::Ancestor,
            39 => Self::OtherRelative,
            41 => Self::Educator,
            42 => Self::FosterCarer,
            43 => Self::ChildMinder,
            50 => Self::AppointedGuardian,
            51 => Self::ChildWelfare,
            70 => Self::Oneself,
            90 => Self::Other,
            other => Self::Unlisted(other),
        }
    }

    /// Its code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Mother => 10,
            Self::Father => 20,
            Self::Sibling => 37,
            Self::Ancestor => 38,
            Self::OtherRelative => 39,
            Self::Educator => 41,
            Self::FosterCarer => 42,
            Self::ChildMinder => 43,
            Self::AppointedGuardian => 50,
            Self::ChildWelfare => 51,
            Self::Oneself => 70,
            Self::Other => 90,
            Self::Unlisted(code) => code,
        }
    }
}

/// Sex as civil status records it (SIECLE 1/2, ONDE M or H/F).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// F, 2.
    Female,
    /// M, H, 1.
    Male,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_levels_go_there_and_back() {
        for code in 0..=u8::MAX {
            assert_eq!(Relationship::from_code(code).code(), code);
        }
        for number in 1..=3 {
            assert_eq!(GuardianLevel::from_number(number).unwrap().number(), number);
        }
        assert_eq!(GuardianLevel::from_number(0), Err(UnknownLevel));
        assert_eq!(Relationship::from_code(70), Relationship::Oneself);
    }
}
