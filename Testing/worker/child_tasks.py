"""What the tests have the child process do in place of a fusion; each is called as ``fuse_volumes`` is."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.registration.registration import Method, Registration


def negate(fixed, moving, settings, *, registration, region, contribution, progress):
    """A result that shows that the inputs arrived: the fixed image with its sign turned."""
    for done in range(3):
        progress("negation", done + 1, 3)
    return FusionResult(
        fused=-fixed.image,
        fixed_mapped=fixed.image,
        moving_mapped=moving.image,
        moving_on_grid=moving.image,
        registration=registration or Registration(sitk.TranslationTransform(3, (1.5, 2, 3)), Method.NONE, None, 0.5),
        provenance={"settings": settings.to_dict(), "names": [fixed.name, moving.name]},
        warnings=["a warning"],
        contribution=sitk.Cast(fixed.image * 0, sitk.sitkFloat32) if contribution else None,
    )


def chatter(fixed, moving, settings, **others):
    print("a library prints from Python")
    os.write(1, b'{"a library": "prints from C++"}\n')
    return negate(fixed, moving, settings, **others)


def refuse(fixed, *_, **__):
    raise InputError(f"'{fixed.name}' cannot be fused; select another volume.")


def fail(*_, **__):
    raise RuntimeError("the disk is full")


def crash(*_, **__):
    os.kill(os.getpid(), signal.SIGSEGV)


def be_killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def abort_after_the_result(*arguments, **others):
    """A library that aborts the process at its end, after all is done."""
    import atexit

    atexit.register(os.abort)
    return negate(*arguments, **others)


def work_for_long(*_, progress, **__):
    progress("work", 0, 0)
    time.sleep(60)


def refuse_to_end(*_, progress, **__):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    progress("work", 0, 0)
    time.sleep(60)


def start_another_process(*_, progress, **__):
    """Starts a process and tells its id through the stage, as a library with a helper process would have one."""
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    progress(str(helper.pid), 0, 0)
    helper.wait()


def show_environment(*arguments, progress, **others):
    progress(os.environ["A_SETTING_OF_THE_HOST"], 0, 0)
    progress(str(Path.cwd()), 0, 0)
    progress(tempfile.mkdtemp(), 0, 0)
    return negate(*arguments, progress=progress, **others)


def negate_after_memory_ran_out(*arguments, **others):
    """A result that was made on the CPU in the end, and says so."""
    result = negate(*arguments, **others)
    said = ["Memory ran out on cuda; went on with the CPU, which is slower."]
    return dataclasses.replace(result, provenance=result.provenance | {"warnings": said}, warnings=said)
