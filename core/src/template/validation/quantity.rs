//! The rules for a quantity.

use super::at::At;
use crate::quantity::Quantity;
use crate::template::error::TemplateError;

/// Reads a quantity, which may not be negative.
pub(super) fn quantity(at: &At<'_>) -> Result<Option<Quantity>, TemplateError> {
    if !at.is_there() {
        return Ok(None);
    }
    match at.text().parse::<Quantity>() {
        Ok(quantity) if quantity.is_negative() => at.invalid("must be greater than or equal to 0")?,
        Ok(quantity) => return Ok(Some(quantity)),
        Err(_) => at.invalid("must be a quantity, such as 500m or 2Gi")?,
    }
    Ok(None)
}
