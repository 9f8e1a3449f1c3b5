//! When an email was received, as a column of its row says.

use pgrx::pg_sys;

use super::column::Timestamp;
use super::trigger::Row;

impl Row {
    /// The instant that a column holds of type timestamptz, timestamp or date, the latter two in
    /// the session's time zone. `None` for null, for infinity and for other types.
    pub fn time(&self, number: i16) -> Option<Timestamp> {
        // SAFETY: the server checks the column; each type's datum is read as what it is.
        unsafe {
            let mut is_null = false;
            let (tuple, description) = (self.tuple(), self.description());
            let datum = pg_sys::SPI_getbinval(tuple, description, number.into(), &mut is_null);
            if is_null {
                return None;
            }
            let type_id = pg_sys::getBaseType(pg_sys::SPI_gettypeid(description, number.into()));
            let mut overflow = 0;
            let time = match type_id {
                pg_sys::TIMESTAMPTZOID => datum.value() as i64,
                pg_sys::TIMESTAMPOID => {
                    let time = datum.value() as i64;
                    pg_sys::timestamp2timestamptz_opt_overflow(time, &mut overflow)
                }
                pg_sys::DATEOID => {
                    let day = datum.value() as i32;
                    pg_sys::date2timestamptz_opt_overflow(day, &mut overflow)
                }
                _ => return None,
            };
            let is_finite = overflow == 0 && time != i64::MIN && time != i64::MAX;
            is_finite.then_some(Timestamp(time))
        }
    }
}
