"""Options that every command has beside its own.

How many threads it uses, how much it prints, the log file, and the grade of a registration at which it fails.
"""

from __future__ import annotations

import functools
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from enum import Enum
from inspect import Parameter, signature
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from CSAFusionLib.cli.outputs import check_extension
from CSAFusionLib.cli.panels import REGISTRATION, RUNNING
from CSAFusionLib.cli.terminal import EXPECTED, muted, sentence_for
from CSAFusionLib.files.atomic_write import place_of
from CSAFusionLib.logs import logger_of

if TYPE_CHECKING:
    from CSAFusionLib.registration.quality.grading import Quality

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
_LOG_NAMES = (".log", ".txt")

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace outputs that already exist.", rich_help_panel=RUNNING)
]


@dataclass(frozen=True)
class CommonOptions:
    """How much a command prints."""

    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.", rich_help_panel=RUNNING)] = False
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also append the output to this file (.log, .txt).", rich_help_panel=RUNNING),
    ] = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside the block, apply the options.

        Raises InputError for a log that cannot be written.
        """
        with ExitStack() as stack:
            if self.log is not None:
                stack.enter_context(_logged(self.log, to_screen=not self.quiet))
            elif self.quiet:
                stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w", encoding="utf-8"))))
            if self.quiet:
                stack.enter_context(muted())
            yield


@dataclass(frozen=True)
class CommonOptionsWithThreads(CommonOptions):
    """How much a command prints, and how many threads it uses."""

    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Use at most N threads. Default: every core.", rich_help_panel=RUNNING),
    ] = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside the block, apply the options."""
        with super().kept(), _limited_threads(self.threads):
            yield


def with_common_options(
    command: Callable[..., None], options: type[CommonOptions] = CommonOptionsWithThreads
) -> Callable[..., None]:
    """Add the options of a class of common options to a command, as a group, and apply them while it runs."""

    @functools.wraps(command)
    def kept(*args: Any, common: CommonOptions, **kwargs: Any) -> None:
        with common.kept():
            command(*args, **kwargs)

    own = signature(command)
    added = Parameter("common", Parameter.KEYWORD_ONLY, annotation=options)
    kept.__signature__ = own.replace(parameters=[*own.parameters.values(), added])  # type: ignore[attr-defined]
    kept.__annotations__ = {**get_type_hints(command, include_extras=True), "common": options}
    return kept


@contextmanager
def _limited_threads(count: int | None) -> Iterator[None]:
    """Limit PyTorch, ITK and child processes to ``count`` threads; None sets no limit."""
    if count is None:
        yield
        return
    import SimpleITK as sitk

    before = {name: os.environ.get(name) for name in _VARIABLES}
    of_itk = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    # PyTorch reads the variables when it is first imported, which no command does before its work begins.
    os.environ.update(dict.fromkeys(_VARIABLES, str(count)))
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    torch = sys.modules.get("torch")
    of_torch = None if torch is None else torch.get_num_threads()
    if torch is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(of_itk)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if torch is not None and of_torch is not None:
            torch.set_num_threads(of_torch)


@contextmanager
def _logged(file: Path, *, to_screen: bool) -> Iterator[None]:
    """Append to a file the command, its output, the messages this package logs, and the error with which it fails."""
    check_extension(file, _LOG_NAMES)
    handler = logging.FileHandler(place_of(file), encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package, log = logging.getLogger("CSAFusionLib"), logger_of("CSAFusionLib.said")
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    log.info("command: %s", shlex.join(["csafusion", *sys.argv[1:]]))
    try:
        with redirect_stdout(_Copied(sys.stdout if to_screen else None, log)):
            yield
    except EXPECTED as error:
        log.error("%s", sentence_for(error) or repr(error))
        raise
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()


class _Copied:
    """A text stream that also passes every line to a log.

    screen: the stream that receives the text as well; None for none.
    """

    def __init__(self, screen: IO[str] | None, log: logging.Logger) -> None:
        self._screen = screen
        self._log = log
        self._line = ""

    def write(self, text: str) -> int:
        """Write a text; a line is logged when it ends."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._log.info("%s", line)
        if self._screen is not None:
            self._screen.write(text)
        return len(text)

    def flush(self) -> None:
        """Write the buffered text."""
        if self._screen is not None:
            self._screen.flush()

    def isatty(self) -> bool:
        """Whether the screen is a terminal."""
        return self._screen is not None and self._screen.isatty()


DISTRUSTED = 3
"""The exit code of a command that has done its work, but whose registration has a grade that ``--fail-on`` names."""


class Distrusted(Enum):
    """The best grade at which a command fails."""

    DOUBTFUL = "doubtful"
    BAD = "bad"


FailOn = Annotated[
    Distrusted | None,
    typer.Option(
        case_sensitive=False,
        help=f"End with exit code {DISTRUSTED} when the registration is bad, or is doubtful or bad.",
        rich_help_panel=REGISTRATION,
        show_default=False,
    ),
]


def fail_on_quality(threshold: Distrusted | None, found: Iterable[Quality | None]) -> None:
    """End the command with exit code 3 when a quality is no better than the threshold; None disables it.

    found: the quality of each registration, None where it was not assessed.
    """
    fail_on_grade(threshold, [quality.grade.value for quality in found if quality is not None])


def fail_on_grade(threshold: Distrusted | None, grades: Iterable[str]) -> None:
    """End the command with exit code 3 when one of the grades (good, doubtful, bad) is no better than the threshold."""
    refused = {None: set[str](), Distrusted.BAD: {"bad"}, Distrusted.DOUBTFUL: {"bad", "doubtful"}}[threshold]
    if refused & set(grades):
        raise typer.Exit(DISTRUSTED)
