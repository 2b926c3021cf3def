"""Writes a rule in languages that are spoken where it is to be used."""

from collections.abc import Sequence
from typing import Literal

from llm_erm.rulelists.as_markdown import markdown_table
from llm_erm.rulelists.as_python import python_file
from llm_erm.rulelists.as_spreadsheet import spreadsheet_formula
from llm_erm.rulelists.as_sql import sql_case
from llm_erm.rulelists.evidence import Learned

Form = Literal["python", "sql", "spreadsheet", "markdown"]


def exported(learned: Learned, form: Form, columns: Sequence[str] = ()) -> str:
    """Returns a rule as the text of a file.

    Args:
        learned: The rule.
        form: The language.
        columns: For a spreadsheet, the names of its columns from A on; none for those of the rule's
            data.

    Raises:
        InputError: The rule cannot be written in this form.
    """
    match form:
        case "python":
            return python_file(learned)
        case "sql":
            return sql_case(learned)
        case "spreadsheet":
            return spreadsheet_formula(learned, columns)
        case "markdown":
            return markdown_table(learned)
