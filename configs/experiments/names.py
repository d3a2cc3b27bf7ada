"""The registered experiments as plain data, readable without TensorFlow."""

NAMES = {
    'maskformer_coco_panoptic': dict(
        model='maskformer', data_set='coco_panoptic', task='panoptic', backbone='r50',
        schedule='64 x 554400', expected='PQ 46.5',
        source='MaskFormer configs/coco-panoptic/maskformer_panoptic_R50_bs64_554k.yaml'),
    'maskformer_shapes_panoptic': dict(
        model='maskformer', data_set='shapes_panoptic', task='panoptic', backbone='r14 (thin)',
        schedule='16 x 2500', expected='', source='embedded data set, see docs'),
}
