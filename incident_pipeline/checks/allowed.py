"""The functions and types that a check's SQL may use: those whose answer comes from their arguments alone.

Same arguments, same answer, on any day and on any machine. Left out on purpose: everything that reads the
clock (`age` with one argument does), the session, the machine's time zone, files or the engine's version;
and functions that take the name of another function as a text.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPERATORS: Final = _words(
    """
    + - * / // % ^ ** & | ~ << >> || ~~ !~~ ~~* !~~* ~~~ @> <@ !
    """
)
_AGGREGATES: Final = _words(
    """
    any_value arg_max arg_max_null arg_min arg_min_null array_agg avg bool_and bool_or corr count
    count_if count_star covar_pop covar_samp entropy favg first fsum kurtosis last list mad max max_by
    median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy skewness stddev stddev_pop stddev_samp
    string_agg sum var_pop var_samp variance
    """
)
_WINDOWS: Final = _words(
    """
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
    """
)
_NUMBERS: Final = _words(
    """
    abs acos add asin atan atan2 cbrt ceil ceiling cos cot degrees divide even exp factorial fdiv floor
    fmod gamma gcd greatest isfinite isinf isnan lcm least lgamma ln log log10 log2 mod multiply
    nextafter pi pow power radians round sign sin sqrt subtract tan trunc
    """
)
_TEXTS: Final = _words(
    """
    ascii bin chr concat concat_ws contains ends_with format hex instr lcase left length levenshtein
    like_escape lower lpad ltrim md5 ord position prefix printf regexp_extract regexp_extract_all
    regexp_full_match regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right
    rpad rtrim sha256 split split_part starts_with strip_accents strlen strpos string_split
    string_to_array substr substring suffix translate trim ucase unhex unicode upper
    """
)
_TIMES: Final = _words(
    """
    date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayofweek dayofyear
    epoch epoch_ms epoch_ns epoch_us hour isodow make_date make_time make_timestamp make_timestamp_ms
    make_timestamp_ns microsecond millisecond minute month quarter second strftime time_bucket to_days
    to_hours to_microseconds to_milliseconds to_minutes to_months to_seconds to_weeks to_years week
    weekday year
    """
)
_COLLECTIONS: Final = _words(
    """
    array_length cardinality element_at flatten generate_series len list_apply list_avg list_contains
    list_count list_distinct list_extract list_filter list_has_all list_has_any list_max list_median
    list_min list_position list_slice list_sort list_sum list_transform list_unique list_value list_zip
    map map_contains map_entries map_extract map_from_entries map_keys map_values range row
    struct_extract struct_pack unnest
    """
)
_CHOICES: Final = _words(
    """
    coalesce if ifnull nullif typeof
    """
)

FUNCTIONS: Final = _OPERATORS | _AGGREGATES | _WINDOWS | _NUMBERS | _TEXTS | _TIMES | _COLLECTIONS | _CHOICES
"""What a check may call, operators included, as the engine's syntax tree names them."""
TYPES: Final = _words(
    """
    bigint bit blob bool boolean char date datetime decimal double float float4 float8 hugeint int int1
    int2 int4 int8 integer interval list long map numeric real short signed smallint string struct text
    time timestamp timestamp_ms timestamp_ns timestamp_s timestamp_us tinyint ubigint uhugeint uinteger
    usmallint utinyint varchar array row
    """
)
"""What a check may cast to. Types with a time zone are left out: the machine's own zone would show."""
