"""Hand-made DICOM files, uncompressed or JPEG Baseline, as in hospital archives."""

import io
import warnings

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid


def encode_dicom(pixels: np.ndarray | None, *, jpeg: bool = False, **fields) -> bytes:
    """Return a DICOM file with an image, (H, W) or (H, W, 3), or (F, H, W) with `NumberOfFrames`; None for no image."""
    content = Dataset()
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    content.SOPClassUID, content.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    content.Modality, content.BodyPartExamined, content.ViewPosition = "CR", "CHEST", "PA"
    if pixels is not None:
        colour = pixels.shape[-1] == 3
        content.Rows, content.Columns = pixels.shape[:2] if colour else pixels.shape[-2:]
        content.SamplesPerPixel, content.PlanarConfiguration = (3, 0) if colour else (1, None)
        content.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        content.BitsAllocated = content.BitsStored = 8 * pixels.itemsize
        content.HighBit, content.PixelRepresentation = content.BitsStored - 1, int(pixels.dtype.kind == "i")
        content.PixelData = encapsulate([_as_jpeg(pixels)]) if jpeg else pixels.tobytes()
        content["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    for keyword, value in fields.items():
        setattr(content, keyword, value)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some tests are about non-standard values
        content.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _as_jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()
