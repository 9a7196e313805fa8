"""What one should see in each figure of an image set, and what a sick one looks like."""

CAPTIONS = {
    "Samples": (
        "From the darkest image to the brightest, at even steps, so that every kind is seen. Each contour should "
        "follow the edge of one object, and every object should have one. Sick: contours beside their objects (x and "
        "y swapped, masks of another image), several objects in one contour, objects without any."
    ),
    "Sizes and objects": (
        "How large the images are, and how many objects they have; dotted: the median. Rare sizes are learnt worst: "
        "--balanced repeats them. Sick: images without objects in a set where each should have some, and counts "
        "beyond --max-instances, of which training sees a random choice."
    ),
    "Object sizes": (
        "Sizes as the side of a square of the same area. In the network's input, at the usual scale, they should lie "
        "between the smallest and the largest anchor. Sick: many below 4 pixels, which no pyramid level resolves; a "
        "peak far from all anchors."
    ),
    "Intensities": (
        "Values of the pixels, and a dot for each image. Clusters are kinds of images: a random fold should hold some "
        "of each. Sick: peaks at 0 or 255 (clipped), three channels that differ in a grey set, a dot with no contrast "
        "(an empty or damaged image)."
    ),
    "Classes": (
        "Objects and images of each class. Sick: a class without objects (its folder or category has another name), "
        "and a class in fewer than ten images, whose score says little."
    ),
    "Class counts": "The same in numbers; areas are in pixels.",
    "Rescaled and cropped": (
        "What training cuts from {image_id} with six fixed seeds; objects may be cut by the border. Sick: crops that "
        "are mostly padding or empty, objects too small to be recognised, contours that have come off their objects."
    ),
    "Augmented": (
        "Each change alone, from the crop of seed 0, with the same six seeds in each row; then together. The contours "
        "must move with the image, and an expert should still name every object. Sick: contours left behind, objects "
        "that no real image would show, a row without any difference."
    ),
    "Mini masks": (
        "What the mask head learns: each object in a square of {size} pixels, and what becomes of it when it is "
        "painted back, the worst objects first. Sick: thin parts that vanish, an IoU below 0.9 for most objects: the "
        "mini masks are too small, whatever the network learns."
    ),
    "Mini masks by size": (
        "How well the objects of this crop survive mini masks of several sizes: an upper limit of what masks reach."
    ),
    "Duplicates": (
        "Pairs of images with the same pixels, then pairs that look alike, with their objects; look whether they show "
        "the same. Two of those in different folds leak: a score on one says what was memorised of the other. Objects "
        "that differ show how far annotators agree."
    ),
    "All duplicates": "The first {most} of {count} pairs. None is best.",
    "Suspicious objects by rule": (
        "How many objects each rule finds. A few in a thousand are usual; a tenth is a fault of the export."
    ),
    "Suspicious objects": "The worst of each rule; the number is the object's place in its image, from 0.",
    "Suspicious": (
        "{found:,} of {count:,} objects, worst first: each {meaning}. In orange the object, in blue its neighbours, "
        "contrast stretched. Some are right; look for a fault that repeats."
    ),
}
