"""What one should see in each figure of a network, and what a sick one looks like."""

CAPTIONS = {
    "Anchors by level": (
        "Left: the anchors of one cell per level, white the true boxes. Middle: the objects' sides should lie "
        "between the smallest and the largest anchor; a heap beyond either end wants other --anchor-scales or "
        "another --min-dim. Right: nearly all objects should have an anchor with an IoU of 0.5 or more; those "
        "below 0.3 are hardly ever learnt."
    ),
    "What anchors learn": (
        "As training assigns them. Each object should have at least one positive anchor (dotted), whose arrow "
        "leads to it. Negative anchors should lie on background; if some lie on things that look like objects, "
        "the labels miss these. Neutral anchors surround the objects. No positive anchors at all: boxes and image "
        "do not belong together."
    ),
    "Deltas of positive anchors": (
        "Each dot is an anchor; a trained network puts it on the diagonal. A level cloud has learnt nothing; a "
        "tilted one under- or overestimates moves. Values far beyond 5 come from anchors that do not fit their "
        "objects."
    ),
    "Scores of anchors": (
        "Bright cells say object. They should lie on the objects, each size on its level, and be dark elsewhere. "
        "Below right: positive and negative anchors should part; whatever lies left of the dashed line goes no "
        "further. A map that is grey everywhere comes from an untrained network, one that is bright on texture "
        "from missing negatives."
    ),
    "Best anchors, refined": (
        "Dotted the anchors, solid what their deltas make of them, coloured by level. Solid boxes should sit on "
        "objects more tightly than dotted ones; arrows that point anywhere mean wrong --box-std or --geometry."
    ),
    "Suppression of anchors": (
        "Before, many boxes share an object; after, a few should be left of each, and none be lost: the two "
        "curves should lie together up to 0.5. A gap there means that neighbours suppress each other: raise "
        "--rpn-nms-threshold or --detect-proposals."
    ),
    "Regions with class and score": (
        "Solid proposals are sure enough to become detections. Right: those on an object should score near 1, "
        "others near 0. Objects below the dashed line are lost to --confidence; background above it becomes false "
        "detections."
    ),
    "Boxes refined by class": (
        "Dotted the proposal, solid its box after the class's deltas. Dots above the diagonal got better. A cloud "
        "below it: the box head was trained with another --box-std or --geometry, or hardly at all."
    ),
    "Detections": (
        "What is left after suppression within each class, with scores; boxes of an IoU of at least 0.5 are hits. "
        "Two boxes on one object: lower --detection-nms-threshold. Objects in a crowd without a box: raise it."
    ),
    "Masks in their boxes": (
        "The surest detections first, the least sure last: ground truth and painted outline, below them "
        "the probabilities that the mask head returns. Healthy ones are yellow inside, dark outside, with a narrow "
        "edge. Green throughout: untrained. Good masks cut off by their frame want --mask-margin."
    ),
    "What regions learn": (
        "Positive regions as training draws them, moved to their objects; right, the masks that they learn. Masks "
        "should look like the objects. Empty or shifted ones mean that masks and boxes do not belong together."
    ),
    "Masks and overlaps": (
        "Left: masks as painted, orange the pixels that several claim; few should be contested. Middle: the "
        "prediction, each pixel given to one object where objects must not overlap. Right: beside the ground "
        "truth, at an IoU of 0.5."
    ),
    "Views": (
        "Each distinct view as the network sees it, with its number of objects. All should find nearly the same. "
        "A view that finds far fewer was too small, too large or turned as in no training image."
    ),
    "Votes": (
        "How many views see an object at each pixel. Objects should be bright plateaus with dark gaps between "
        "them. Grey objects are unsure and may fall under the majority; bright bridges between neighbours merge "
        "them."
    ),
    "Activations": (
        "Mean absolute value, the channels that vary most, and the distribution of all values. Early layers show "
        "edges, late ones objects. Many silent channels: dead units. One value everywhere: a broken input or "
        "exploded weights. Checkerboards come from transposed convolutions: harmless unless the result shows them."
    ),
    "Where objects are lost": (
        "The step that loses each object: the one behind the last that still has a box (or mask) with an IoU "
        "above 0.5 with it (anchors: 0.3). Scores and masks improve with training, anchors and suppression with "
        "the options named above."
    ),
    "Probability": (
        "Blue outlines the prediction, white the ground truth. The map should be yellow inside, dark outside; the "
        "histograms should have nothing but their ends. Much between 0.1 and 0.9: unsure, or trained too briefly. "
        "A bright spot outside is a false part, which --largest may remove."
    ),
    "Threshold": (
        "Dice and Jaccard should be flat around the dashed line: then the threshold hardly matters. A peak "
        "elsewhere wants another --mask-threshold, chosen on more than one image."
    ),
    "Errors": (
        "Orange: false pixels, yellow: missed ones. They should be a thin rim of two or three pixels, where "
        "annotators differ, too. Whole regions far from the edge are real mistakes."
    ),
}
