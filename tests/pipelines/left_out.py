"""Exported pipelines of diffusers that are not built here, and why."""

GROUPS = {
    "makes videos": """
        Allegro AnimateDiff AnimateDiffControlNet AnimateDiffPAG AnimateDiffSDXL
        AnimateDiffSparseControlNet AnimateDiffVideoToVideo AnimateDiffVideoToVideoControlNet
        AnyFlow AnyFlowFAR ChronoEdit CogVideoX CogVideoXFunControl CogVideoXImageToVideo
        CogVideoXVideoToVideo ConsisID Cosmos2VideoToWorld Cosmos2_5_PredictBase
        Cosmos2_5_Transfer Cosmos3Omni CosmosTextToWorld CosmosVideoToWorld EasyAnimate
        EasyAnimateControl EasyAnimateInpaint Helios HeliosPyramid HunyuanSkyreelsImageToVideo
        HunyuanVideo HunyuanVideo15 HunyuanVideo15ImageToVideo HunyuanVideoFramepack
        HunyuanVideoImageToVideo I2VGenXL Kandinsky5I2V Kandinsky5T2V Kandinsky6SR Kandinsky6TI2VA
        LTX LTX2 LTX2Condition LTX2DFR LTX2DFRTemporalRefine LTX2HDR LTX2ImageToVideo
        LTX2InContext LTX2LatentUpsample LTX2VideoDiffusionDecode LTXCondition
        LTXI2VLongMultiPrompt LTXImageToVideo LTXLatentUpsample Latte LucyEdit Mochi MotifVideo
        MotifVideoImage2Video PIA SanaImageToVideo SanaVideo SanaWM SkyReelsV2
        SkyReelsV2DiffusionForcing SkyReelsV2DiffusionForcingImageToVideo
        SkyReelsV2DiffusionForcingVideoToVideo SkyReelsV2ImageToVideo StableVideoDiffusion
        TextToVideoSD TextToVideoZero TextToVideoZeroSDXL VideoToVideoSD Wan WanAnimate
        WanImageToVideo WanVACE WanVideoToVideo
    """,
    "makes sound": """
        AceStep AudioDiffusion AudioLDM AudioLDM2 DanceDiffusion LongCatAudioDiT MusicLDM
        SpectrogramDiffusion StableAudio StableAudio3 StableAudio3AudioToAudio StableAudio3Inpaint
    """,
    "makes text, proteins or shapes": """
        DiffusionGemma LLaDA2 RFD4Proteina ShapE ShapEImg2Img UniDiffuser
    """,
    "makes embeddings for another pipeline": """
        FluxPriorRedux KandinskyPrior KandinskyV22Prior KandinskyV22PriorEmb2Emb
        StableCascadePrior WuerstchenPrior
    """,
    "runs several pipelines one after the other": """
        KandinskyCombined KandinskyImg2ImgCombined KandinskyInpaintCombined KandinskyV22Combined
        KandinskyV22Img2ImgCombined KandinskyV22InpaintCombined StableCascadeCombined StableUnCLIP
        UnCLIP UnCLIPImageVariation VersatileDiffusion VisualCloze WuerstchenCombined
    """,
    "measures depth, normals or materials": """
        MarigoldDepth MarigoldIntrinsics MarigoldNormals
    """,
    "predicts tokens, not noise": "Amused AmusedImg2Img AmusedInpaint VQDiffusion",
    "steps by other methods than scheduler.step": "KarrasVe RePaint ScoreSdeVe",
    "makes several layers at 640 or 1024 pixels only: too slow here": "QwenImageLayered",
    "generates tokens with a language model first, whose processor needs torchvision": "GlmImage",
    "its processor needs torchvision": "OmniGen",
    "needs the package cosmos_guardrail": "Cosmos2TextToImage",
    "fails in this version: reads a setting that its network does not have": "ChromaInpaint",
    "runs on ONNX": """
        OnnxStableDiffusion OnnxStableDiffusionImg2Img OnnxStableDiffusionInpaint
        OnnxStableDiffusionUpscale StableDiffusionOnnx
    """,
    "deprecated, with parts of its own": """
        AltDiffusion AltDiffusionImg2Img BlipDiffusion BlipDiffusionControlNet LDMSuperResolution
        LDMTextToImage StableDiffusionDiffEdit StableDiffusionGLIGENTextImage
        StableDiffusionPix2PixZero VersatileDiffusionDualGuided VersatileDiffusionImageVariation
        VersatileDiffusionTextToImage
    """,
    "the base of all": "Diffusion",
}
LEFT_OUT = {f"{name}Pipeline": reason for reason, names in GROUPS.items() for name in names.split()}


def exported():
    """Names of all pipelines of the installed diffusers that are not put together from blocks."""
    import diffusers

    names = [name for name in dir(diffusers) if name.endswith("Pipeline")]
    return {name for name in names if not name.endswith("ModularPipeline")}
