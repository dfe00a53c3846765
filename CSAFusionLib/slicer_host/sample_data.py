"""The volumes of the tutorial, offered by Slicer's module Sample Data."""

from __future__ import annotations

from pathlib import Path

import slicer.util

# Slicer's own sample CT-MR Brain, of which the tutorial takes the CT and the T1: given to the Slicer project by the
# person visible in it, to be used without any restrictions.
_FILES = {
    "CTBrain": ("CT-brain.nrrd", "6a5b6caccb76576a863beb095e3bfb910c50ca78f4c9bf043aa42f976cfa53d1"),
    "MRBrainT1": ("MR-brain-T1.nrrd", "2da3f655ed20356ee8cdf32aa0f8f9420385de4b6e407d28e67f9974d7ce1593"),
}


def register_sample_data(thumbnail: Path) -> None:
    """Add the pair to what the module Sample Data offers; nothing is downloaded."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="CSAFusion",
        sampleName="CSAFusionCTMRBrain",
        uris=[f"{slicer.util.TESTING_DATA_URL}SHA256/{digest}" for _, digest in _FILES.values()],
        fileNames=[name for name, _ in _FILES.values()],
        nodeNames=list(_FILES),
        checksums=[f"SHA256:{digest}" for _, digest in _FILES.values()],
        thumbnailFileName=str(thumbnail),
    )
